//! Entity tags of sessions, and which side compares them (RFC 9725 §4.3.1).
//!
//! A client that trickles sends the tag of its ICE session as `If-Match`; for an ICE restart it
//! sends `*`. Red5's nodes have no tags, and some clients do not trickle without one, so the proxy
//! gives one of its own. That tag names its session, and it is never forwarded to a node.
//!
//! | tag of the session | `If-Match` | lenient | strict |
//! |---|---|---|---|
//! | none: the client knows none | none, or any | forwarded | forwarded |
//! | the node's | none | forwarded | 428 |
//! | the node's | any | forwarded, the node compares | forwarded, the node compares |
//! | ours | none | forwarded | 428 |
//! | ours | `*` | forwarded | forwarded |
//! | ours | this session's | forwarded without it | forwarded without it |
//! | ours | any other | forwarded, without it if it is one of ours | 412 |
//!
//! red5pro-webrtc-sdk 11.0.0 to 15 implement draft-ietf-wish-whip-01, which has no tags: they never
//! send one, and they treat 405, 412 and 428 as the end of a publish.
//!
//! An ICE restart changes the tag, but not the session URL. Any of the tags that the proxy gave to
//! the session is accepted.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Prefix of our tags; no node's tag should have it.
const OURS: &str = "\"whipstitch-";

/// The source of a session's entity tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tag {
    /// The client got none.
    #[default]
    None,
    /// The node's.
    Nodes,
    /// One of ours, since the node gave none.
    Ours,
}

/// What to do with the `If-Match` of a request that is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Forward it to the node, if there is one.
    Passes,
    /// Remove it: the tag is ours.
    Stays,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unmatched {
    /// 428: there is no `If-Match`.
    #[error("If-Match is missing: it has to hold the ETag of the session, or * to restart ICE")]
    Missing,
    /// 412: it is the tag of something else.
    #[error("If-Match is not the ETag of this session")]
    Stale,
}

/// The tag of a new session; `issued_at` is in milliseconds since 1970.
pub fn first(issued_at: u64) -> String {
    format!("{OURS}{issued_at:x}\"")
}

/// The tag of the same session after an ICE restart at `now`, in milliseconds since 1970.
pub fn next(issued_at: u64, now: u64) -> String {
    format!("{OURS}{issued_at:x}-{now:x}\"")
}

/// Judges the `If-Match` of a trickle or an ICE restart. `tag` and `issued_at` are the session's.
///
/// # Errors
/// In strict mode, [`Unmatched`]; never for a client that knows no tags.
pub fn judge(
    tag: Tag,
    issued_at: u64,
    if_match: Option<&str>,
    strict: bool,
) -> Result<Condition, Unmatched> {
    let Some(if_match) = if_match else {
        return match tag {
            Tag::Nodes | Tag::Ours if strict => Err(Unmatched::Missing),
            _ => Ok(Condition::Passes),
        };
    };
    let tags = || if_match.split(',').map(str::trim);
    // The example in RFC 9725 §4.3.3 has it in quotes.
    let is_any = |tag: &str| matches!(tag, "*" | "\"*\"");
    let fits = |tag: &str| is_any(tag) || is_of(issued_at, tag);
    if tag == Tag::Ours && strict && !tags().any(fits) {
        return Err(Unmatched::Stale);
    }
    Ok(if tags().any(|tag| tag.contains(OURS)) {
        Condition::Stays
    } else {
        Condition::Passes
    })
}

/// Whether we gave this tag to the session of `issued_at`, by strong comparison (RFC 9110 §13.1.1).
fn is_of(issued_at: u64, tag: &str) -> bool {
    let Some(of) = tag.strip_prefix(OURS).and_then(|tag| tag.strip_suffix('"')) else {
        return false;
    };
    let own = of.split_once('-').map_or(of, |(own, _)| own);
    own == format!("{issued_at:x}")
}

/// Whether this is an entity tag in the syntax of RFC 9110 §8.8.3, which `If-Match` requires.
pub fn is_tag(value: &str) -> bool {
    let opaque = value.strip_prefix("W/").unwrap_or(value);
    let inner = opaque
        .strip_prefix('"')
        .and_then(|inner| inner.strip_suffix('"'));
    inner.is_some_and(|inner| {
        inner
            .bytes()
            .all(|byte| byte == b'!' || (b'#'..=b'~').contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: u64 = 1_790_000_000_123;

    #[test]
    fn the_table_holds() {
        use Condition::{Passes, Stays};
        use Unmatched::{Missing, Stale};
        let own = first(AT);
        let restarted = next(AT, AT + 5000);
        let of_another = first(AT + 1);
        let weak = format!("W/{own}");
        let two = format!("\"xyzzy\", {own}");
        for (tag, if_match, lenient, strict) in [
            (Tag::None, None, Ok(Passes), Ok(Passes)),
            (Tag::None, Some("\"xyzzy\""), Ok(Passes), Ok(Passes)),
            (Tag::None, Some(&*of_another), Ok(Stays), Ok(Stays)),
            (Tag::Nodes, None, Ok(Passes), Err(Missing)),
            (Tag::Nodes, Some("\"xyzzy\""), Ok(Passes), Ok(Passes)),
            (Tag::Nodes, Some("*"), Ok(Passes), Ok(Passes)),
            (Tag::Ours, None, Ok(Passes), Err(Missing)),
            (Tag::Ours, Some("*"), Ok(Passes), Ok(Passes)),
            (Tag::Ours, Some("\"*\""), Ok(Passes), Ok(Passes)),
            (Tag::Ours, Some(&own), Ok(Stays), Ok(Stays)),
            (Tag::Ours, Some(&two), Ok(Stays), Ok(Stays)),
            (Tag::Ours, Some(&restarted), Ok(Stays), Ok(Stays)),
            (Tag::Ours, Some(&of_another), Ok(Stays), Err(Stale)),
            (Tag::Ours, Some(&weak), Ok(Stays), Err(Stale)),
            (Tag::Ours, Some("\"xyzzy\""), Ok(Passes), Err(Stale)),
            (Tag::Ours, Some(""), Ok(Passes), Err(Stale)),
        ] {
            let judged = |strict| judge(tag, AT, if_match, strict);
            assert_eq!(judged(false), lenient, "{tag:?} {if_match:?}");
            assert_eq!(judged(true), strict, "{tag:?} {if_match:?}, strict");
        }
    }

    #[test]
    fn a_tag_is_quoted() {
        for tag in ["\"\"", "\"xyzzy\"", "W/\"x\"", &first(AT)] {
            assert!(is_tag(tag), "{tag}");
        }
        for word in [
            "",
            "*",
            "null",
            "undefined",
            "\"",
            "\"a\"b\"",
            "\"a b\"",
            "w/\"a\"",
        ] {
            assert!(!is_tag(word), "{word}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_accepted_and_none_of_our_tags_reaches_a_node(value in ".{0,60}", strict: bool) {
            for value in [value.clone(), format!("{value}{}", first(AT))] {
                if judge(Tag::Ours, AT, Some(&value), strict) == Ok(Condition::Passes) {
                    prop_assert!(!value.contains(OURS));
                }
                is_tag(&value);
            }
        }
    }
}
