//! The name of a stream, and what is done with it.

use std::{fmt, sync::Arc};

use thiserror::Error;

/// Longest segment of a scope, and longest stream name, in bytes.
pub const MAX_SEGMENT: usize = 128;
/// Most segments of a scope.
pub const MAX_SCOPE_SEGMENTS: usize = 8;

/// What a client does with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends it: WHIP (RFC 9725), `action=broadcast` at the Stream Manager.
    Publish,
    /// Receives it: WHEP, `action=subscribe` at the Stream Manager.
    Play,
}

impl Role {
    /// The path segment of this role's HTTP signalling.
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Publish => "whip",
            Self::Play => "whep",
        }
    }

    /// The `action` of the Stream Manager's event API (Red5 Pro documentation, Stream Manager REST
    /// API 4.0).
    pub const fn action(self) -> &'static str {
        match self {
            Self::Publish => "broadcast",
            Self::Play => "subscribe",
        }
    }

    /// The role whose path segment this is.
    pub fn from_protocol(segment: &str) -> Option<Self> {
        match segment {
            "whip" => Some(Self::Publish),
            "whep" => Some(Self::Play),
            _ => None,
        }
    }
}

/// A stream: its scope (`live`, `live/room1`) and its name. Cheap to clone.
///
/// Built only from checked segments, so it can stand in a path as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// `scope/name`; the name holds no slash, so this string alone is the identity.
    path: Arc<str>,
    scope_len: usize,
}

impl StreamKey {
    /// Checks both parts. One leading slash of the scope is dropped, as the Stream Manager writes
    /// it both ways.
    ///
    /// # Errors
    /// The part that is wrong, and the rule that it breaks.
    pub fn new(scope: &str, name: &str) -> Result<Self, NameError> {
        let scope = check_scope(scope)?;
        check_segment(Part::Stream, name)?;
        Ok(Self {
            path: [scope, "/", name].concat().into(),
            scope_len: scope.len(),
        })
    }

    /// Reads a stream's `scope/name` as Stream Manager 2.0 writes it: what is behind the last slash
    /// is the name.
    ///
    /// # Errors
    /// See [`StreamKey::new`].
    pub fn from_guid(guid: &str) -> Result<Self, NameError> {
        let (scope, name) = guid.rsplit_once('/').unwrap_or(("", guid));
        // The slash in front that 1.x may write would be a second one here.
        check_segment(Part::Scope, scope.split('/').next().unwrap_or_default())?;
        Self::new(scope, name)
    }

    /// The scope, without slashes around it: `live`, `live/room1`.
    pub fn scope(&self) -> &str {
        self.path.get(..self.scope_len).unwrap_or_default()
    }

    /// The name of the stream alone.
    pub fn name(&self) -> &str {
        self.path.get(self.scope_len + 1..).unwrap_or_default()
    }

    /// `scope/name`.
    pub fn as_str(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// Checks a scope such as `live` or `/live/room1` and returns it without the leading slash.
///
/// # Errors
/// The rule that it breaks.
pub fn check_scope(scope: &str) -> Result<&str, NameError> {
    let scope = scope.strip_prefix('/').unwrap_or(scope);
    if scope.split('/').count() > MAX_SCOPE_SEGMENTS {
        return Err(NameError {
            part: Part::Scope,
            rule: Rule::TooDeep,
        });
    }
    scope
        .split('/')
        .try_for_each(|segment| check_segment(Part::Scope, segment))?;
    Ok(scope)
}

/// Checks the name of a node group of Stream Manager 2.0, which stands in its URLs as a segment.
///
/// # Errors
/// The rule that it breaks.
pub fn check_node_group(group: &str) -> Result<(), NameError> {
    check_segment(Part::NodeGroup, group)
}

pub(crate) fn check_segment(part: Part, segment: &str) -> Result<(), NameError> {
    let rule = if segment.is_empty() {
        Rule::Empty
    } else if segment.len() > MAX_SEGMENT {
        Rule::TooLong
    } else if segment == "." || segment == ".." {
        Rule::Dots
    } else if let Some(found) = segment.chars().find(|c| !is_allowed(*c)) {
        Rule::Character(found)
    } else {
        return Ok(());
    };
    Err(NameError { part, rule })
}

/// RFC 3986's unreserved characters: what needs no escape in a path, a query or a file name.
fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-')
}

/// Which part of a name is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The scope (application and rooms).
    Scope,
    /// The stream's own name.
    Stream,
    /// A node group of Stream Manager 2.0.
    NodeGroup,
}

/// The rule that a name breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing stands there.
    Empty,
    /// More than [`MAX_SEGMENT`] bytes.
    TooLong,
    /// More than [`MAX_SCOPE_SEGMENTS`] segments.
    TooDeep,
    /// `.` or `..`.
    Dots,
    /// A character outside the allowed ones.
    Character(char),
    /// Segments after the name.
    Trailing,
}

/// A scope or a stream name that is not allowed; its text names the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub struct NameError {
    /// The part that is wrong.
    pub part: Part,
    /// The rule that it breaks.
    pub rule: Rule,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Scope => "each segment of the scope",
            Part::Stream => "the stream name",
            Part::NodeGroup => "the node group",
        };
        match self.rule {
            Rule::Empty => write!(f, "{part} must not be empty"),
            Rule::TooLong => write!(f, "{part} may have at most {MAX_SEGMENT} bytes"),
            Rule::TooDeep => write!(
                f,
                "the scope may have at most {MAX_SCOPE_SEGMENTS} segments"
            ),
            Rule::Dots => write!(f, "{part} must not be `.` or `..`"),
            Rule::Character(found) => write!(
                f,
                "{part} may hold letters A-Z a-z, digits, `.`, `_`, `~` and `-`, but holds {found:?}"
            ),
            Rule::Trailing => write!(f, "{part} must be the last segment of the path"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        let key = StreamKey::new("/live/room1", "stream1_2").unwrap();
        assert_eq!(
            (key.scope(), key.name(), key.as_str()),
            ("live/room1", "stream1_2", "live/room1/stream1_2")
        );
    }

    #[test]
    fn a_guid_is_scope_and_name() {
        let guid = |text: &str| StreamKey::from_guid(text).map(|key| key.as_str().to_owned());
        assert_eq!(guid("live/room2/s1").as_deref(), Ok("live/room2/s1"));
        for bad in [
            "",
            "s1",
            "/s1",
            "/live/s1",
            "live/",
            "live//s1",
            "live/%2e%2e/s1",
        ] {
            assert!(guid(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_rule_is_named() {
        let rule = |scope: &str, name: &str| StreamKey::new(scope, name).unwrap_err().rule;
        assert_eq!(rule("live", ""), Rule::Empty);
        assert_eq!(rule("", "a"), Rule::Empty);
        assert_eq!(rule("live//x", "a"), Rule::Empty);
        assert_eq!(rule("live", ".."), Rule::Dots);
        assert_eq!(rule("live/..", "a"), Rule::Dots);
        assert_eq!(rule("live", "a%2fb"), Rule::Character('%'));
        assert_eq!(rule("live", "a\0"), Rule::Character('\0'));
        assert_eq!(rule("live", "é"), Rule::Character('é'));
        assert_eq!(rule("live", &"a".repeat(129)), Rule::TooLong);
        assert_eq!(rule("1/2/3/4/5/6/7/8/9", "a"), Rule::TooDeep);
        assert!(StreamKey::new("1/2/3/4/5/6/7/8", &"a".repeat(128)).is_ok());
    }
}
