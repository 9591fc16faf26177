//! A bearer token as the query that Red5's plugins read.
//!
//! Nodes with the JWT or the round-trip authentication read `username`, `password` and `token` in
//! the query, without any `Bearer` in front, and no header (Red5 Pro documentation, JWT client
//! authentication; round-trip authentication). OBS, GStreamer, FFmpeg and Larix send
//! `Authorization: Bearer` and nothing else (RFC 9725 §4.7). What is in it becomes the query:
//!
//! | bearer | query |
//! |---|---|
//! | `eyJ…` (anything) | `token=eyJ…` |
//! | `username=u&password=p&token=t`, in any order, each at most once, and no other key | the same |
//!
//! A key that the client's own query has already stays as it is there: a client that writes both
//! means its URL.

use std::fmt::Write as _;

use crate::query;

/// The keys that the plugins read.
const KEYS: [&str; 3] = ["username", "password", "token"];
/// Longest query that is made, in bytes: a node takes 8192 of a request's header, and the rest of
/// it wants some.
pub const MAX_QUERY: usize = 6144;

/// The token of an `Authorization` field; `None` if it has another scheme (RFC 6750 §2.1; the
/// scheme in any case, RFC 9110 §11.1).
pub fn token(authorization: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer";
    let (scheme, rest) = authorization.split_at_checked(SCHEME.len())?;
    let is_separated = rest.first().is_none_or(|byte| *byte == b' ');
    (scheme.eq_ignore_ascii_case(SCHEME) && is_separated).then(|| rest.trim_ascii())
}

/// The query of a request with this bearer token, at a node; `None` if that would be longer than
/// any node takes.
pub fn with_token(own: &str, token: &[u8]) -> Option<String> {
    let made = if token.is_empty() {
        String::new()
    } else {
        pairs(token)
    };
    if made.len() > MAX_QUERY {
        return None;
    }
    // A servlet container decodes keys, so `%74oken` is one, too.
    let has = |key: &str| {
        query::pairs(own).any(|(own, _)| query::percent_decode(own).is_some_and(|own| own == key))
    };
    let mut merged = own.to_owned();
    for pair in made.split('&').filter(|pair| !pair.is_empty()) {
        let key = pair.split_once('=').map_or(pair, |(key, _)| key);
        if !has(key) {
            if !merged.is_empty() && !merged.ends_with('&') {
                merged.push('&');
            }
            merged.push_str(pair);
        }
    }
    Some(merged)
}

/// The pairs that a token means.
fn pairs(token: &[u8]) -> String {
    let mut written = String::with_capacity(token.len() + KEYS.len() * 8);
    let Some(list) = list(token) else {
        written.push_str("token=");
        escape(token, false, &mut written);
        return written;
    };
    for (key, value) in list {
        if !written.is_empty() {
            written.push('&');
        }
        written.push_str(key);
        written.push('=');
        escape(value, true, &mut written);
    }
    written
}

/// The token as a list of the known keys, if it is one.
fn list(token: &[u8]) -> Option<Vec<(&'static str, &[u8])>> {
    let mut found: Vec<(&'static str, &[u8])> = Vec::with_capacity(KEYS.len());
    for pair in token.split(|byte| *byte == b'&') {
        let end = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = pair.split_at_checked(end)?;
        let key = KEYS.into_iter().find(|known| known.as_bytes() == key)?;
        if found.iter().any(|(earlier, _)| *earlier == key) {
            return None;
        }
        found.push((key, value.get(1..)?));
    }
    Some(found)
}

/// Escapes what a query cannot hold (RFC 3986 §3.4), or what would end a value or become another
/// character there. Whether `%` and `+` mean something already depends on who wrote it: a list is
/// written as a query, a token is not.
fn escape(value: &[u8], is_query: bool, written: &mut String) {
    for byte in value {
        let stays = byte.is_ascii_alphanumeric()
            || b"-._~!$'()*,;:@/?".contains(byte)
            || (is_query && b"%+".contains(byte));
        if stays {
            written.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(written, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(own: &str, bearer: &str) -> String {
        with_token(own, bearer.as_bytes()).unwrap()
    }

    #[test]
    fn a_bearer_field_has_a_scheme_in_any_case() {
        for (field, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("BEARER a b", Some("a b")),
            ("Bearer", Some("")),
            ("Bearer ", Some("")),
            ("Bearerabc", None),
            ("Basic abc", None),
            ("", None),
        ] {
            let expected = expected.map(str::as_bytes);
            assert_eq!(token(field.as_bytes()), expected, "{field}");
        }
    }

    #[test]
    fn a_token_becomes_the_query_that_plugins_read() {
        for (own, bearer, query) in [
            ("", "eyJh.eyJz.a-_b", "token=eyJh.eyJz.a-_b"),
            ("requestId=a&x", "abc", "requestId=a&x&token=abc"),
            // base64 and worse
            ("", "a+b/c==", "token=a%2Bb/c%3D%3D"),
            (
                "",
                "a&b=c d%41\"#\u{e9}",
                "token=a%26b%3Dc%20d%2541%22%23%C3%A9",
            ),
            ("", "", ""),
            ("a=b&", "", "a=b&"),
            ("a=b&", "c", "a=b&token=c"),
            // a list of the known keys is taken as such
            (
                "",
                "username=u&password=p%26q&token=t+u=",
                "username=u&password=p%26q&token=t+u%3D",
            ),
            (
                "mode=live",
                "token=t&username=",
                "mode=live&token=t&username=",
            ),
            ("", "token=a b", "token=a%20b"),
            // and nothing else is
            ("", "username=u&role=x", "token=username%3Du%26role%3Dx"),
            ("", "token=a&token=b", "token=token%3Da%26token%3Db"),
            ("", "username=u&", "token=username%3Du%26"),
            ("", "Token=a", "token=Token%3Da"),
        ] {
            assert_eq!(made(own, bearer), query, "{own} {bearer}");
        }
    }

    #[test]
    fn what_the_url_says_counts() {
        for (own, bearer, query) in [
            ("token=mine", "other", "token=mine"),
            ("%74oken=mine&a=b", "other", "%74oken=mine&a=b"),
            (
                "username=u&password=p",
                "jwt",
                "username=u&password=p&token=jwt",
            ),
            (
                "password=mine",
                "username=u&password=p&token=t",
                "password=mine&username=u&token=t",
            ),
            ("token", "other", "token"),
        ] {
            assert_eq!(made(own, bearer), query, "{own} {bearer}");
        }
    }

    #[test]
    fn a_token_that_no_node_takes_is_refused() {
        assert!(with_token("", &[b'a'; MAX_QUERY - 6]).is_some());
        assert_eq!(with_token("", &[b'a'; MAX_QUERY - 5]), None);
        assert_eq!(with_token("", &[b'"'; 3000]), None);
    }

    proptest! {
        #[test]
        fn any_token_makes_a_query(own in "[a-z0-9=&%]{0,30}", token in proptest::collection::vec(any::<u8>(), 0..80)) {
            let made = with_token(&own, &token).unwrap();
            prop_assert!(made.starts_with(&own));
            let target = http::uri::PathAndQuery::try_from(format!("/?{made}"));
            prop_assert!(target.is_ok());
            let before = query::pairs(&own).count();
            prop_assert!(query::pairs(&made).count() <= before + 3);
        }
    }
}
