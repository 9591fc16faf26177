//! The `target` of Stream Manager 2.0's forward proxy, `/as/v1/proxy/forward/?target=URL` (Red5 Pro
//! documentation, Stream Manager 2.0, Proxy API).
//!
//! The Stream Manager's own proxy dials what is named there, so the one who reads it first must not
//! read another host than the one who reads it last. Everything that two readers of URLs could
//! understand in two ways is refused: escapes that are decoded twice, backslashes, users,
//! fragments, a key that is there twice or is written with escapes.

use std::fmt;

use http::uri::Authority;
use thiserror::Error;

use crate::query;

const KEY: &str = "target";
const SCHEME: &str = "http://";
/// Longest target, decoded, in bytes.
const MAX_TARGET: usize = 4096;

/// Where a request is to be forwarded to.
#[derive(Clone, PartialEq, Eq)]
pub struct ForwardTarget {
    /// An address or a name, without brackets; not yet admitted.
    pub host: String,
    /// Its port, written or implied.
    pub port: u16,
}

impl ForwardTarget {
    /// Reads a raw query.
    ///
    /// # Errors
    /// There is no target, more than one, or one that is not plainly the URL of a host.
    pub fn parse(raw: &str) -> Result<Self, ForwardTargetError> {
        Self::of_url(&single(raw)?)
    }

    fn of_url(url: &str) -> Result<Self, ForwardTargetError> {
        if url.len() > MAX_TARGET {
            return Err(ForwardTargetError::TooLong);
        }
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#');
        if !url.bytes().all(plain) {
            return Err(ForwardTargetError::Character);
        }
        let (scheme, rest) = url.split_at_checked(SCHEME.len()).unwrap_or((url, ""));
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(ForwardTargetError::Scheme);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let text = rest.get(..end).unwrap_or_default();
        if text.contains('@') {
            return Err(ForwardTargetError::UserInfo);
        }
        let host_like = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
        };
        if !text.bytes().all(host_like) {
            return Err(ForwardTargetError::Host);
        }
        let authority: Authority = text.parse().map_err(|_| ForwardTargetError::Host)?;
        let host = authority.host();
        let port = match text
            .get(host.len()..)
            .and_then(|rest| rest.strip_prefix(':'))
        {
            None if text.len() == host.len() => 80,
            // No sign and no leading zero, which are read in more than one way.
            Some(digits) if digits.starts_with(|first: char| matches!(first, '1'..='9')) => {
                digits.parse().map_err(|_| ForwardTargetError::Host)?
            }
            _ => return Err(ForwardTargetError::Host),
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(ForwardTargetError::Host);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// The one value, decoded once.
fn single(raw: &str) -> Result<String, ForwardTargetError> {
    // Some readers take it for a `&`.
    if raw.contains(';') {
        return Err(ForwardTargetError::Semicolon);
    }
    let mut found = None;
    for (key, value) in query::pairs(raw) {
        if key == KEY {
            if found.replace(value).is_some() {
                return Err(ForwardTargetError::Doubled);
            }
        } else if is_disguised(key) {
            return Err(ForwardTargetError::Doubled);
        }
    }
    let value = found
        .filter(|value| !value.is_empty())
        .ok_or(ForwardTargetError::Missing)?;
    query::percent_decode(value).ok_or(ForwardTargetError::Escape)
}

/// Whether some reader takes another spelling for the key.
fn is_disguised(key: &str) -> bool {
    let mut seen = key.to_owned();
    while let Some(decoded) = query::percent_decode(&seen).filter(|decoded| *decoded != seen) {
        seen = decoded;
    }
    let seen = seen.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '+');
    let seen = seen.split(['[', '\0', '&', '=']).next().unwrap_or_default();
    seen.eq_ignore_ascii_case(KEY)
}

/// A target can hold tokens in its query: only what is safe to print.
impl fmt::Debug for ForwardTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardTarget")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish()
    }
}

/// A target that is not forwarded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ForwardTargetError {
    /// No key, or no value.
    #[error("query key `target` is required and must not be empty")]
    Missing,
    /// More than one, in any spelling.
    #[error("query key `target` must be there only once, and written without escapes")]
    Doubled,
    /// A `;` in the query.
    #[error("the query must not hold `;`; write it as %3B")]
    Semicolon,
    /// A `%` without two hexadecimal digits, or not UTF-8.
    #[error("query key `target` has a broken percent-escape")]
    Escape,
    /// Longer than any sensible URL.
    #[error("query key `target` may have at most 4096 bytes")]
    TooLong,
    /// Blanks, control characters, backslashes, fragments, or letters outside of ASCII.
    #[error(
        "query key `target` must be visible ASCII characters without `\\` and `#`, percent-encoded once"
    )]
    Character,
    /// Not `http://`.
    #[error("query key `target` must begin with http://, percent-encoded once")]
    Scheme,
    /// A user or a password.
    #[error("query key `target` must not hold a user or password")]
    UserInfo,
    /// No host, or one that is written oddly, or an odd port.
    #[error("query key `target` must name an IP address or host name and a port, without escapes")]
    Host,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(raw: &str) -> Result<(String, u16), ForwardTargetError> {
        ForwardTarget::parse(raw).map(|target| (target.host, target.port))
    }

    #[test]
    fn a_node_is_read() {
        for (raw, host, port) in [
            (
                "target=http%3A%2F%2F10.0.0.7%3A5080%2Flive%2Fa.mp4",
                "10.0.0.7",
                5080,
            ),
            ("target=http://10.0.0.7:5080", "10.0.0.7", 5080),
            (
                "a=b&target=HTTP://10.0.0.7:5080?x=y&digestAction=c",
                "10.0.0.7",
                5080,
            ),
            ("target=http://[2001:db8::1]:5080/", "2001:db8::1", 5080),
            (
                "target=http://node1.example.com/x%2520y",
                "node1.example.com",
                80,
            ),
            ("target=http://10.0.0.7:5080/a@b:c", "10.0.0.7", 5080),
            ("targets=a&target=http://10.0.0.7:5080/", "10.0.0.7", 5080),
        ] {
            assert_eq!(read(raw), Ok((host.to_owned(), port)), "{raw}");
        }
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        use ForwardTargetError::{
            Character, Doubled, Escape, Host, Missing, Scheme, Semicolon, TooLong, UserInfo,
        };
        let good = "http://10.0.0.7:5080/";
        for (raw, error) in [
            (String::new(), Missing),
            ("target=".into(), Missing),
            ("target".into(), Missing),
            ("Target=http://a".into(), Doubled),
            (format!("target={good}&target={good}"), Doubled),
            (format!("target={good}&target=http://evil/"), Doubled),
            (format!("target={good}&%74arget=http://evil/"), Doubled),
            (format!("target={good}&%2574arget=http://evil/"), Doubled),
            (format!("target={good}&TARGET=http://evil/"), Doubled),
            (format!("target={good}&target%00=http://evil/"), Doubled),
            (format!("target={good}&target[]=http://evil/"), Doubled),
            (format!("target={good}&+target=http://evil/"), Doubled),
            (format!("target={good};target=http://evil/"), Semicolon),
            (
                "target=http%253A%252F%252F10.0.0.7%253A5080%252F".into(),
                Scheme,
            ),
            ("target=https://10.0.0.7:5080/".into(), Scheme),
            ("target=ftp://10.0.0.7:5080/".into(), Scheme),
            ("target=//10.0.0.7:5080/".into(), Scheme),
            ("target=http:/10.0.0.7:5080/".into(), Scheme),
            ("target=10.0.0.7:5080".into(), Scheme),
            ("target=http:10.0.0.7:5080/".into(), Scheme),
            ("target=http:%5C%5C10.0.0.7:5080/".into(), Character),
            ("target=http://10.0.0.7:5080%5C@evil/".into(), Character),
            ("target=http://10.0.0.7:5080/%23@evil".into(), Character),
            ("target=%20http://10.0.0.7:5080/".into(), Character),
            ("target=http://10.0.0.7:5080/%0d%0aHost:x".into(), Character),
            ("target=http://10.0.0.7:5080/%00".into(), Character),
            ("target=http://10.0.0.7:5080/%C3%A9".into(), Character),
            ("target=http://10.0.0.7:5080@evil/".into(), UserInfo),
            ("target=http://u:p@10.0.0.7:5080/".into(), UserInfo),
            ("target=http://10.0.0.7:5080%40evil/".into(), UserInfo),
            ("target=http://10.0.0.7:5080%2540evil/".into(), Host),
            ("target=http://10.0.0.7%252e:5080/".into(), Host),
            ("target=http:///10.0.0.7:5080/".into(), Host),
            ("target=http://:5080/".into(), Host),
            ("target=http://10.0.0.7:/".into(), Host),
            ("target=http://10.0.0.7:05080/".into(), Host),
            ("target=http://10.0.0.7:%2B5080/".into(), Host),
            ("target=http://10.0.0.7:99999/".into(), Host),
            ("target=http://10.0.0.7:5080:80/".into(), Host),
            ("target=http://[::1/".into(), Host),
            ("target=http://[fe80::1%2525eth0]:5080/".into(), Host),
            ("target=http://10.0.0.7,evil:5080/".into(), Host),
            ("target=http://10.0.0.7:5080/%zz".into(), Escape),
            ("target=%ff".into(), Escape),
            (format!("target=http://a/{}", "a".repeat(4096)), TooLong),
        ] {
            assert_eq!(read(&raw), Err(error), "{raw}");
        }
    }

    proptest! {
        /// Whatever is read is the host that the standard parser reads.
        #[test]
        fn what_is_read_is_what_others_read(raw in "target=http://[a-z0-9.:@%/\\\\?#&=\\[\\]]{0,40}") {
            if let Ok(target) = ForwardTarget::parse(&raw) {
                let url = query::percent_decode(query::get(&raw, "target").unwrap()).unwrap();
                let uri: http::Uri = url.parse().unwrap();
                let authority = uri.authority().unwrap();
                prop_assert_eq!(authority.host().trim_matches(['[', ']']), target.host);
                prop_assert_eq!(authority.port_u16().unwrap_or(80), target.port);
            }
        }
    }
}
