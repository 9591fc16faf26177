//! Keys of earlier versions that have no effect any more. A configuration that sets one is warned
//! and not refused, so that an upgrade does not stop a start.

/// A key that is gone.
#[derive(Debug)]
pub(super) struct Retired {
    /// `section.key`.
    pub(super) path: &'static str,
    /// Its environment variable.
    pub(super) variable: &'static str,
    /// What to say of it.
    pub(super) why: &'static str,
}

const RETIRED: &[Retired] = &[Retired {
    path: "lookup.publish_ttl",
    variable: "WHIPSTITCH_LOOKUP_PUBLISH_TTL",
    why: "is gone and has no effect: the Stream Manager is asked for every publish, since that is when it hands the \
          stream's provision to the node. Remove the key; lookup.stale_for is how long an answer to a publish serves \
          while the Stream Manager does not answer",
}];

/// The retired key of this name in this section.
pub(super) fn key(section: &str, name: &str) -> Option<&'static Retired> {
    RETIRED
        .iter()
        .find(|retired| retired.path.split_once('.') == Some((section, name)))
}

/// The retired key of this environment variable.
pub(super) fn variable(name: &str) -> Option<&'static Retired> {
    RETIRED.iter().find(|retired| retired.variable == name)
}
