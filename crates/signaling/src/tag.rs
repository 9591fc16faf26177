//! Entity tags of sessions, and who compares them (RFC 9725 §4.3.1).
//!
//! A client that trickles sends the tag of its ICE session as `If-Match`; one that begins a new one
//! (an ICE restart) sends `*`. Red5's nodes know no tags, and some clients do not begin without
//! one, so they get one of ours. It says to which session it belongs, and no node hears of it.
//!
//! | the tag is | `If-Match` | lenient | strict |
//! |---|---|---|---|
//! | nobody's: the client knows none | none, or any | goes on | goes on |
//! | the node's | none | goes on | 428 |
//! | the node's | any | goes on, the node compares | goes on, the node compares |
//! | ours | none | goes on | 428 |
//! | ours | `*` | goes on | goes on |
//! | ours | this session's | goes on without it | goes on without it |
//! | ours | any other | goes on, without it if it is one of ours | 412 |
//!
//! red5pro-webrtc-sdk 11.0.0 to 15 speak draft-ietf-wish-whip-01, which has no tags: they never
//! send one, and take 405, 412 and 428 for the end of a publish.
//!
//! After an ICE restart a session has another tag, of which its URL knows nothing. Of those that we
//! gave, any is taken.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::session::Session;

/// What our tags begin with, and no node's should.
const OURS: &str = "\"whipstitch-";

/// Whose entity tag the client of a session goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tag {
    /// Nobody's: the client knows none.
    #[default]
    None,
    /// The node's.
    Nodes,
    /// One of ours, since the node gave none.
    Ours,
}

/// What becomes of the `If-Match` of a request that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The node hears it, if there is one.
    Passes,
    /// It was for us.
    Stays,
}

/// Why a request does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unmatched {
    /// 428: there is no `If-Match`.
    #[error("If-Match is missing: it has to hold the ETag of the session, or * to restart ICE")]
    Missing,
    /// 412: it is the tag of something else.
    #[error("If-Match is not the ETag of this session")]
    Stale,
}

/// The tag of a new session.
pub fn first(session: &Session) -> String {
    format!("{OURS}{:x}\"", session.issued_at)
}

/// The tag of a session after an ICE restart; `now` is in milliseconds since 1970.
pub fn next(session: &Session, now: u64) -> String {
    format!("{OURS}{:x}-{now:x}\"", session.issued_at)
}

/// What becomes of a request to a session that depends on its tag: a trickle or an ICE restart.
///
/// # Errors
/// In strict mode, [`Unmatched`]; never for a client that knows no tags.
pub fn judge(
    session: &Session,
    if_match: Option<&str>,
    strict: bool,
) -> Result<Condition, Unmatched> {
    let Some(if_match) = if_match else {
        return match session.tag {
            Tag::Nodes | Tag::Ours if strict => Err(Unmatched::Missing),
            _ => Ok(Condition::Passes),
        };
    };
    let tags = || if_match.split(',').map(str::trim);
    // The example in RFC 9725 §4.3.3 has it in quotes.
    let is_any = |tag: &str| matches!(tag, "*" | "\"*\"");
    if session.tag == Tag::Ours && strict && !tags().any(|tag| is_any(tag) || is_of(session, tag)) {
        return Err(Unmatched::Stale);
    }
    Ok(if tags().any(|tag| tag.contains(OURS)) {
        Condition::Stays
    } else {
        Condition::Passes
    })
}

/// Whether it is a tag that we gave for this session. The comparison is the strong one (RFC 9110
/// §13.1.1).
fn is_of(session: &Session, tag: &str) -> bool {
    let Some(of) = tag.strip_prefix(OURS).and_then(|tag| tag.strip_suffix('"')) else {
        return false;
    };
    let issued_at = of.split_once('-').map_or(of, |(issued_at, _)| issued_at);
    issued_at == format!("{:x}", session.issued_at)
}

/// Whether this is an entity tag (RFC 9110 §8.8.3), as it has to be in `If-Match`.
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
    use http::uri::PathAndQuery;
    use proptest::prelude::*;

    use super::*;

    fn session(tag: Tag, issued_at: u64) -> Session {
        Session {
            node: "10.0.0.5".parse().unwrap(),
            resource: PathAndQuery::from_static("/live/whip/resource/s1"),
            issued_at,
            tag,
        }
    }

    const AT: u64 = 1_790_000_000_123;

    #[test]
    fn the_table_holds() {
        use Condition::{Passes, Stays};
        use Unmatched::{Missing, Stale};
        let own = first(&session(Tag::Ours, AT));
        let restarted = next(&session(Tag::Ours, AT), AT + 5000);
        let of_another = first(&session(Tag::Ours, AT + 1));
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
            let session = session(tag, AT);
            let judged = |strict| judge(&session, if_match, strict);
            assert_eq!(judged(false), lenient, "{tag:?} {if_match:?}");
            assert_eq!(judged(true), strict, "{tag:?} {if_match:?}, strict");
        }
    }

    #[test]
    fn a_tag_is_in_quotes_and_a_word_is_none() {
        for tag in [
            "\"\"",
            "\"xyzzy\"",
            "W/\"x\"",
            &first(&session(Tag::Ours, AT)),
        ] {
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
        fn any_value_is_taken_and_none_of_ours_reaches_a_node(value in ".{0,60}", strict: bool) {
            let session = session(Tag::Ours, AT);
            for value in [value.clone(), format!("{value}{}", first(&session))] {
                if judge(&session, Some(&value), strict) == Ok(Condition::Passes) {
                    prop_assert!(!value.contains(OURS));
                }
                is_tag(&value);
            }
        }
    }
}
