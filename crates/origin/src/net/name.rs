//! Names of nodes: how one is written, and which ones an operator lets through.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest name, in bytes (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
/// Longest part between two dots, in bytes.
const MAX_LABEL: usize = 63;

/// A host name in small letters. Nothing that any resolver reads as an address is one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct HostName(Arc<str>);

impl HostName {
    /// Reads a name: labels of ASCII letters, digits and hyphens (RFC 1123 §2.1), the last label
    /// begins with a letter. `127.1`, `0x7f000001` and `2130706433`, which `getaddrinfo` takes for
    /// addresses, are therefore none. A dot at the end would make two spellings of one name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let last = text.rsplit('.').next()?;
        let good = text.len() <= MAX_NAME
            && text.split('.').all(is_label)
            && last.starts_with(|first: char| first.is_ascii_alphabetic());
        good.then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// As it is asked of a resolver.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// An entry of `nodes.allow_names`: one name, or with a dot in front every name below a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern {
    below: bool,
    name: HostName,
}

impl NamePattern {
    /// Whether a name is this one, or below it.
    pub(crate) fn holds(&self, name: &HostName) -> bool {
        let (name, own) = (name.as_str(), self.name.as_str());
        if self.below {
            name.strip_suffix(own)
                .is_some_and(|head| head.len() > 1 && head.ends_with('.'))
        } else {
            name == own
        }
    }
}

impl FromStr for NamePattern {
    type Err = NamePatternError;

    fn from_str(text: &str) -> Result<Self, NamePatternError> {
        let (below, name) = match text.strip_prefix('.') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let name = HostName::parse(name).ok_or(NamePatternError)?;
        Ok(Self { below, name })
    }
}

impl TryFrom<String> for NamePattern {
    type Error = NamePatternError;

    fn try_from(text: String) -> Result<Self, NamePatternError> {
        text.parse()
    }
}

impl From<NamePattern> for String {
    fn from(pattern: NamePattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.below { "." } else { "" };
        write!(f, "{dot}{}", self.name.as_str())
    }
}

/// An entry of `nodes.allow_names` that is neither a name nor a suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("neither a host name nor, with a dot in front, the end of host names")]
pub struct NamePatternError;

#[cfg(test)]
mod tests {
    use super::*;

    fn is_name(text: &str) -> bool {
        HostName::parse(text).is_some()
    }

    #[test]
    fn names_are_names() {
        for name in [
            "node1",
            "node1.example.com",
            "1.example.com",
            "a-b.c",
            "xn--bcher-kva.example",
            "a1",
        ] {
            assert!(is_name(name), "{name}");
        }
        assert_eq!(
            HostName::parse("Node1.Example.COM").unwrap().as_str(),
            "node1.example.com"
        );
    }

    #[test]
    fn what_a_resolver_could_read_as_an_address_is_no_name() {
        for text in [
            "127.1",
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "0X7F000001",
            "010.0.0.1",
            "1",
            "0",
            "127.0.0.0x1",
            "example.1",
            "example.0x1",
            "example.1a",
        ] {
            assert!(!is_name(text), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_a_name() {
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a",
            "a-",
            "a_b",
            "_a.example.com",
            "a b",
            " a",
            "a\0",
            "a%00",
            "a/b",
            "a:80",
            "u@a",
            "a#",
            "[::1]",
            "::1",
            "fe80::1%eth0",
            "ｎode",
            "bücher.example",
            "a\\b",
            "*.example.com",
        ] {
            assert!(!is_name(text), "{text:?}");
        }
        assert!(!is_name(&"a".repeat(64)));
        assert!(is_name(
            &[
                "a".repeat(63),
                "b".repeat(63),
                "c".repeat(63),
                "d".repeat(61)
            ]
            .join(".")
        ));
        assert!(!is_name(
            &[
                "a".repeat(63),
                "b".repeat(63),
                "c".repeat(63),
                "d".repeat(62)
            ]
            .join(".")
        ));
    }

    #[test]
    fn a_pattern_is_a_name_or_everything_below_one() {
        let holds = |pattern: &str, name: &str| {
            let pattern: NamePattern = pattern.parse().unwrap();
            pattern.holds(&HostName::parse(name).unwrap())
        };
        assert!(holds(".nodes.example.com", "a.nodes.example.com"));
        assert!(holds(".Nodes.example.com", "A.B.nodes.example.com"));
        assert!(!holds(".nodes.example.com", "nodes.example.com"));
        assert!(!holds(".nodes.example.com", "evilnodes.example.com"));
        assert!(!holds(".nodes.example.com", "a.nodes.example.com.evil.org"));
        assert!(holds("node1", "NODE1"));
        assert!(!holds("node1", "a.node1"));
        for text in ["", ".", "..a", "*.a", ".a.", "10.0.0.1", ".0.1"] {
            assert!(text.parse::<NamePattern>().is_err(), "{text}");
        }
    }
}
