//! The question and the answers.

use std::{fmt, sync::Arc, time::Duration};

use thiserror::Error;
use whipstitch_signaling::{Api, NameError, Role, StreamKey, query, stream::check_node_group};

use crate::{Cause, Origin, stream_manager};

/// Longest hints that are taken, in bytes.
const MAX_HINTS: usize = 512;

/// Nodes that are asked for when those of a usual answer cannot be reached.
const SPARES: usize = 4;

/// A question to the Stream Manager, and the key under which its answer is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lookup {
    /// Publish or play.
    pub role: Role,
    /// The stream.
    pub key: StreamKey,
    /// What the client asks beside that.
    pub hints: Hints,
}

impl Lookup {
    /// The same question for more nodes, if the client did not say how many it wants.
    pub(crate) fn wider(&self) -> Option<Self> {
        if self.hints.get("endpoints").is_some() {
            return None;
        }
        let spares = Hints(Some(format!("endpoints={SPARES}").into()));
        Some(Self {
            hints: spares.after(&self.hints)?,
            ..self.clone()
        })
    }

    /// The stream that a transcoder was provisioned for, if this one is a variant of it.
    ///
    /// A publisher sends `stream1_2` where `stream1` was provisioned, and some managers know only the latter (red5pro
    /// example pages, Transcoder POST).
    pub(crate) fn transcoded_base(&self) -> Option<StreamKey> {
        if self.role != Role::Publish || self.hints.get("transcode") != Some("true") {
            return None;
        }
        let (base, variant) = self.key.name().rsplit_once('_')?;
        let numbered = !variant.is_empty() && variant.bytes().all(|byte| byte.is_ascii_digit());
        StreamKey::new(self.key.scope(), base)
            .ok()
            .filter(|_| numbered)
    }
}

/// The hint of 2.0 that stands in the path.
pub(crate) const NODE_GROUP: &str = "nodeGroup";

/// The keys that change an answer: of the event API beside `action` (Red5 Pro documentation, Stream Manager REST API
/// 4.0), and of the proxy URLs of 2.0 (Red5 Pro documentation, Stream Manager 2.0, WHIP/WHEP proxy).
fn keys(api: Api) -> &'static [&'static str] {
    match api {
        Api::V1 => &[
            "region",
            "geozone",
            "zone",
            "strict",
            "transcode",
            "endpoints",
        ],
        Api::V2 => &[
            NODE_GROUP,
            "region",
            "subgroup",
            "strict",
            "transcode",
            "endpoints",
        ],
    }
}

/// The query pairs that change the Stream Manager's answer, byte for byte as the client sent them.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Hints(Option<Arc<str>>);

impl Hints {
    /// Picks the hints out of a client's query.
    ///
    /// # Errors
    /// They are longer than any honest client's, or name a node group that cannot be one.
    pub fn from_query(query: &str, api: Api) -> Result<Self, HintsError> {
        if query.is_empty() {
            return Ok(Self(None));
        }
        let keys = keys(api);
        let hints = query::filter(query, |key| keys.contains(&key));
        if hints.len() > MAX_HINTS {
            return Err(HintsError::TooLong);
        }
        // It becomes a segment of the path, so it must not be able to become more.
        if api == Api::V2
            && let Some(group) = query::get(&hints, NODE_GROUP)
        {
            check_node_group(group).map_err(HintsError::NodeGroup)?;
        }
        Ok(Self((!hints.is_empty()).then(|| hints.into())))
    }

    /// The keys, in the client's order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        query::pairs(self.as_str()).map(|(key, _)| key)
    }

    /// The undecoded value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        query::get(self.as_str(), key)
    }

    /// These hints, after earlier ones of the same client: all of both, and where both say something, these. `None` if
    /// that is longer than any honest client's.
    #[must_use]
    pub fn after(&self, earlier: &Self) -> Option<Self> {
        let both = query::merge(earlier.as_str(), self.as_str());
        match both.len() {
            0 => Some(Self(None)),
            1..=MAX_HINTS => Some(Self(Some(both.into()))),
            _ => None,
        }
    }

    /// Whether both ask the same, in whatever order.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let sorted = |hints: &Self| {
            let mut pairs: Vec<String> = query::pairs(hints.as_str())
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            pairs.sort_unstable();
            pairs
        };
        self == other || sorted(self) == sorted(other)
    }

    /// The pairs, joined by `&`; empty if there are none.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}

/// The hints of a query cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HintsError {
    /// They are too long.
    #[error(
        "the query keys for the Stream Manager (region, strict, transcode, endpoints and so on) may have at most \
         {MAX_HINTS} bytes together"
    )]
    TooLong,
    /// The node group is none.
    #[error("query key `nodeGroup`: {0}")]
    NodeGroup(NameError),
}

/// Nodes that can carry a stream, the one to try first at the front; never empty. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Candidates {
    nodes: Arc<[Origin]>,
    /// Whose turn it is.
    first: usize,
}

impl Candidates {
    /// `None` if there are none.
    pub fn new(nodes: Vec<Origin>) -> Option<Self> {
        (!nodes.is_empty()).then(|| Self {
            nodes: nodes.into(),
            first: 0,
        })
    }

    /// This node first, and then the others.
    #[must_use]
    pub fn led_by(&self, first: &Origin) -> Self {
        let others = self.iter().filter(|origin| *origin != first);
        Self {
            nodes: std::iter::once(first).chain(others).cloned().collect(),
            first: 0,
        }
    }

    /// The same nodes, this many turns later.
    pub(crate) fn turned(&self, turns: usize) -> Self {
        Self {
            nodes: self.nodes.clone(),
            first: (self.first + turns % self.len()) % self.len(),
        }
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.nodes.len().max(1)
    }

    /// The one to try first at the front.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        let (last, first) = self.nodes.split_at_checked(self.first).unwrap_or_default();
        first.iter().chain(last)
    }
}

impl fmt::Debug for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Why no node is known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LookupError {
    /// The Stream Manager answered that it has none: the stream is not live, or no node is free.
    #[error("the Stream Manager has no node for this stream{}", said(.0.as_deref()))]
    NotFound(Option<Arc<str>>),
    /// The Stream Manager did not give a usable answer.
    #[error("the Stream Manager {0}")]
    Manager(ManagerFault),
    /// Too many questions are under way.
    #[error("too many lookups are under way")]
    Busy,
    /// Every address that it named is one that must not be dialled.
    #[error("the Stream Manager named only addresses that may not be dialled: {0}")]
    Refused(Refused),
}

fn said(message: Option<&str>) -> String {
    message
        .map(|message| format!(": it says {message:?}"))
        .unwrap_or_default()
}

/// The first address that the manager named and that was refused, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{address:?} {refusal}")]
pub struct Refused {
    /// As the manager wrote it, cut to a printable length.
    pub address: Arc<str>,
    /// The reason.
    pub refusal: crate::Refusal,
}

/// What the Stream Manager did instead of answering. `Display` is for clients, and says no more than they may know; the
/// operator gets [`ManagerFault::cause`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManagerFault {
    /// No connection, or one that broke.
    #[error("cannot be reached")]
    Unreachable(Cause),
    /// No whole answer within this time.
    #[error("did not answer in time")]
    Timeout(Duration),
    /// A status that is neither success nor "no such stream".
    #[error("answered with status {0}")]
    Status(u16),
    /// Something that is not an answer of the event API.
    #[error("answered with something that is not a node")]
    NotAnAnswer,
    /// Nothing that could be used, several times in a row: it is not asked until a probe got an answer.
    #[error("has not answered lately")]
    Shunned,
    /// More than any honest answer.
    #[error("answered with more than 64 KiB")]
    TooLong,
}

impl ManagerFault {
    /// Why, for the operator; `None` while the circuit breaker is open, which knows it.
    pub fn cause(&self) -> Option<Cause> {
        Some(match self {
            Self::Unreachable(cause) => cause.clone(),
            Self::Timeout(after) => Cause::Timeout(*after),
            Self::Status(status) => Cause::Status(*status),
            Self::NotAnAnswer => Cause::NotJson,
            Self::TooLong => Cause::TooLong(stream_manager::MAX_ANSWER),
            Self::Shunned => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_of_two_requests_are_one_question_and_the_later_one_wins() {
        let hints = |query| Hints::from_query(query, Api::V1).unwrap();
        // What red5pro-webrtc-sdk 11.0.0 sends: `transcode` on OPTIONS only, the rest on POST only.
        for (options, post, both) in [
            ("transcode=true", "region=eu", "transcode=true&region=eu"),
            ("transcode=true", "", "transcode=true"),
            ("", "strict=true", "strict=true"),
            (
                "region=us&strict=true",
                "region=eu",
                "strict=true&region=eu",
            ),
            ("", "", ""),
        ] {
            assert_eq!(hints(post).after(&hints(options)), Some(hints(both)));
        }
        let long = format!("region={}", "x".repeat(400));
        let longer = format!("zone={}", "x".repeat(400));
        assert_eq!(hints(&long).after(&hints(&longer)), None);
        assert!(hints("region=eu&strict=true").says_the_same(&hints("strict=true&region=eu")));
        assert!(!hints("region=eu").says_the_same(&hints("region=us")));
        assert!(!hints("region=eu").says_the_same(&hints("region=eu&strict=true")));
    }

    #[test]
    fn hints_are_kept_byte_for_byte_and_nothing_else_is() {
        let hints = Hints::from_query(
            "token=s3cret&region=us-west-2&zone=us%2Dwest&strict=true&mode=live",
            Api::V1,
        )
        .unwrap();
        assert_eq!(
            hints.as_str(),
            "region=us-west-2&zone=us%2Dwest&strict=true"
        );
        assert_eq!(
            Hints::from_query("mode=live", Api::V1),
            Ok(Hints::default())
        );
        assert_eq!(
            Hints::from_query(&format!("region={}", "x".repeat(600)), Api::V1),
            Err(HintsError::TooLong)
        );
    }

    #[test]
    fn a_node_group_is_a_hint_of_two_and_one_segment() {
        let query = "nodeGroup=my-group.1&subgroup=a%2Cb&geozone=x&zone=y&host=10.0.0.1";
        let hints = Hints::from_query(query, Api::V2).unwrap();
        assert_eq!(hints.as_str(), "nodeGroup=my-group.1&subgroup=a%2Cb");
        let of_1 = Hints::from_query(query, Api::V1).unwrap();
        assert_eq!(of_1.as_str(), "geozone=x&zone=y");
        for bad in ["", "a/b", "..", "a%2Fb", "a;b", "a?b", "a b", "\u{e9}"] {
            let hints = Hints::from_query(&format!("nodeGroup={bad}"), Api::V2);
            assert!(matches!(hints, Err(HintsError::NodeGroup(_))), "{bad}");
        }
    }

    #[test]
    fn a_variant_of_a_transcoded_stream_has_a_base() {
        let base = |role, name, hints| {
            let (key, hints) = (
                StreamKey::new("live", name).unwrap(),
                Hints::from_query(hints, Api::V1).unwrap(),
            );
            let base = Lookup { role, key, hints }.transcoded_base();
            base.map(|base| base.as_str().to_owned())
        };
        let transcode = "transcode=true";
        let found = base(Role::Publish, "a_b_12", transcode);
        assert_eq!(found.as_deref(), Some("live/a_b"));
        for (role, name, hints) in [
            (Role::Publish, "a_12", ""),
            (Role::Publish, "a_12", "transcode=false"),
            (Role::Publish, "a_x", transcode),
            (Role::Publish, "a_", transcode),
            (Role::Publish, "_1", transcode),
            (Role::Publish, "a", transcode),
            (Role::Play, "a_1", transcode),
        ] {
            assert_eq!(base(role, name, hints), None, "{name} {hints}");
        }
    }

    #[test]
    fn debug_shows_keys_only() {
        let hints = Hints::from_query("region=us-west-2", Api::V1).unwrap();
        assert_eq!(format!("{hints:?}"), r#"["region"]"#);
    }
}
