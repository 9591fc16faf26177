//! Origins of web pages (RFC 6454; Fetch, "origin"): the value of `Origin`, and an entry of a list
//! of those that are let in.

use std::{fmt, str::FromStr};

use http::uri::Authority;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::host;

/// Longest origin that is read, in bytes: a scheme, the longest host name, a port.
const MAX_ORIGIN: usize = 320;

/// `scheme://host[:port]` in its one spelling, `null`, which is what pages from files and in
/// sandboxes send, or `*`: any.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin(String);

impl WebOrigin {
    /// Whether this entry stands for every origin.
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }

    /// Whether its pages come from this host and port, over whichever scheme.
    pub fn is_at(&self, host: &Authority) -> bool {
        let Some((scheme, authority)) = self.0.split_once("://") else {
            return false;
        };
        host::normal_authority(host, default_port(scheme))
            .is_some_and(|host| host.as_str() == authority)
    }

    /// As it is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WebOrigin {
    type Err = WebOriginError;

    fn from_str(text: &str) -> Result<Self, WebOriginError> {
        if text.len() > MAX_ORIGIN {
            return Err(WebOriginError::TooLong);
        }
        if matches!(text, "null" | "*") {
            return Ok(Self(text.to_owned()));
        }
        let (scheme, authority) = text.split_once("://").ok_or(WebOriginError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(in_scheme)
        {
            return Err(WebOriginError::Scheme);
        }
        if authority.contains(['/', '?', '#']) {
            return Err(WebOriginError::Path);
        }
        if authority.contains('*') {
            return Err(WebOriginError::Wildcard);
        }
        let authority: Authority = authority.parse().map_err(|_| WebOriginError::Host)?;
        let authority = host::normal_authority(&authority, default_port(&scheme))
            .ok_or(WebOriginError::Host)?;
        Ok(Self(format!("{scheme}://{authority}")))
    }
}

/// The port that is left out in this scheme.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

impl TryFrom<String> for WebOrigin {
    type Error = WebOriginError;

    fn try_from(text: String) -> Result<Self, WebOriginError> {
        text.parse()
    }
}

impl From<WebOrigin> for String {
    fn from(origin: WebOrigin) -> Self {
        origin.0
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WebOriginError {
    /// No scheme, or none that can be one.
    #[error("it has to start with a scheme, as in https://app.example.com, or to be null or *")]
    Scheme,
    /// Something behind host and port.
    #[error("it has to end after the host and port: no slash, no path, no query")]
    Path,
    /// A star beside other characters.
    #[error("there are no wildcards: write each origin in full")]
    Wildcard,
    /// No host, a user before it, or a port that is none.
    #[error("it has no valid host and port after the scheme")]
    Host,
    /// Longer than any origin.
    #[error("it is longer than {MAX_ORIGIN} bytes")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_at_the_host_it_came_from() {
        let is_at = |origin: &str, host: &str| {
            let origin: WebOrigin = origin.parse().unwrap();
            origin.is_at(&host.parse().unwrap())
        };
        assert!(is_at("https://a.example", "a.example"));
        assert!(is_at("https://a.example", "A.example:443"));
        assert!(is_at("http://a.example:8080", "a.example:8080"));
        assert!(!is_at("http://a.example", "a.example:443"));
        assert!(!is_at("https://a.example.evil", "a.example"));
        assert!(!is_at("null", "null"));
        assert!(!is_at("*", "a.example"));
    }

    #[test]
    fn each_origin_has_one_spelling() {
        let normal = |text: &str| text.parse::<WebOrigin>().map(|origin| origin.to_string());
        for (text, one) in [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.Example.com:443", "https://app.example.com"),
            ("http://app.example.com:80", "http://app.example.com"),
            ("http://app.example.com:443", "http://app.example.com:443"),
            ("https://[2001:DB8:0::1]:8443", "https://[2001:db8::1]:8443"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("null", "null"),
            ("*", "*"),
        ] {
            assert_eq!(normal(text).as_deref(), Ok(one), "{text}");
            assert_eq!(normal(one).as_deref(), Ok(one), "{one}");
        }
        for (text, error) in [
            ("", WebOriginError::Scheme),
            ("app.example.com", WebOriginError::Scheme),
            ("://a", WebOriginError::Scheme),
            ("https://", WebOriginError::Host),
            ("https://u@a", WebOriginError::Host),
            ("https://a:b", WebOriginError::Host),
            ("https://a/", WebOriginError::Path),
            ("https://*.example.com", WebOriginError::Wildcard),
            ("NULL", WebOriginError::Scheme),
        ] {
            assert_eq!(normal(text), Err(error), "{text}");
        }
    }
}
