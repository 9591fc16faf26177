//! Patterns of scopes (`live/room1`) and of streams (`live/room1/stream1`).
//!
//! | in a pattern | stands for |
//! |---|---|
//! | `*` | any characters of one segment, or none |
//! | `**`, the last segment | any number of segments, or none |
//! | anything else | itself |

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 512;

/// A pattern. See the module for what it may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Whether a path, segments without slashes around them, is one of those that are meant.
    pub fn holds(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        for wanted in self.0.split('/') {
            if wanted == "**" {
                return true;
            }
            if !segments.next().is_some_and(|found| fits(wanted, found)) {
                return false;
            }
        }
        segments.next().is_none()
    }
}

/// Whether a segment is one of those that a segment of a pattern means.
fn fits(wanted: &str, found: &str) -> bool {
    let Some((first, rest)) = wanted.split_once('*') else {
        return wanted == found;
    };
    let Some(mut left) = found.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        // The first place is the best one: it leaves the most for the parts that follow.
        let Some((_, after)) = left.split_once(part) else {
            return false;
        };
        left = after;
    }
    true
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() || text.len() > MAX_PATTERN {
            return Err(PatternError);
        }
        let mut segments = text.split('/').peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            let is_name = !segment.is_empty()
                && !segment.contains("**")
                && (segment.bytes())
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._~-*".contains(&byte));
            if !(is_name || is_last && segment == "**") {
                return Err(PatternError);
            }
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.into()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "is no pattern: segments of letters, digits, `.`, `_`, `~`, `-` and `*`, with `/` between them; `**` only at the end"
)]
pub struct PatternError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(pattern: &str, path: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().holds(path)
    }

    #[test]
    fn a_pattern_means_what_its_table_says() {
        for (pattern, path, expected) in [
            ("live", "live", true),
            ("live", "live/room1", false),
            ("live", "alive", false),
            ("*", "live", true),
            ("*", "live/room1", false),
            ("**", "live", true),
            ("**", "live/room1/s1", true),
            ("live/**", "live", true),
            ("live/**", "live/room1/s1", true),
            ("live/**", "liver/s1", false),
            ("live/room*", "live/room1", true),
            ("live/room*", "live/room", true),
            ("live/room*", "live/room1/s1", false),
            ("live/*/s1", "live/room1/s1", true),
            ("live/a*b*c", "live/a1b2c", true),
            ("live/a*b*c", "live/abc", true),
            ("live/a*b*c", "live/acb", false),
            ("live/a*a", "live/a", false),
            ("live/*-cam", "live/-cam-cam", true),
        ] {
            assert_eq!(holds(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "", "/", "live/", "/live", "a//b", "**/a", "a**", "a b", "é", "a/***",
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(PatternError), "{text}");
        }
        assert!("a".repeat(MAX_PATTERN).parse::<Pattern>().is_ok());
        assert!("a".repeat(MAX_PATTERN + 1).parse::<Pattern>().is_err());
    }

    proptest! {
        #[test]
        fn a_path_holds_itself_and_nothing_longer(path in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,3}") {
            prop_assert!(holds(&path, &path));
            let longer = format!("{path}/x");
            prop_assert!(!holds(&path, &longer));
            prop_assert!(holds("**", &path));
        }
    }
}
