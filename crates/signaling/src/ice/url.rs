//! The URL of an ICE server: `stun:` (RFC 7064) and `turn:` (RFC 7065), each also with an `s` for
//! TLS.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::host;

/// Longest URL that is taken, in bytes.
const MAX_URL: usize = 300;

/// `scheme:host[:port][?transport=udp|tcp]`, as browsers take it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IceUrl {
    text: String,
    relays: bool,
    secure: bool,
}

impl IceUrl {
    /// In its one spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a TURN server, which asks for credentials.
    pub const fn relays(&self) -> bool {
        self.relays
    }

    /// Whether TLS or DTLS protects the way to it: `stuns:`, `turns:`.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }
}

impl FromStr for IceUrl {
    type Err = IceUrlError;

    fn from_str(text: &str) -> Result<Self, IceUrlError> {
        if text.len() > MAX_URL {
            return Err(IceUrlError::TooLong);
        }
        let (scheme, rest) = text.split_once(':').ok_or(IceUrlError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let (relays, secure) = match scheme.as_str() {
            "stun" => (false, false),
            "stuns" => (false, true),
            "turn" => (true, false),
            "turns" => (true, true),
            _ => return Err(IceUrlError::Scheme),
        };
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        if authority.starts_with("//") {
            return Err(IceUrlError::Slashes);
        }
        // RFC 7065 §3.1 writes both in ABNF, where case does not count (RFC 5234 §2.3).
        let query = query.map(str::to_ascii_lowercase);
        let query = match query.as_deref() {
            None => "",
            Some("transport=udp") if relays => "?transport=udp",
            Some("transport=tcp") if relays => "?transport=tcp",
            Some(_) => return Err(IceUrlError::Query),
        };
        let (host, port) = check_authority(authority)?;
        let colon = if port.is_empty() { "" } else { ":" };
        Ok(Self {
            text: format!("{scheme}:{}{colon}{port}{query}", host::normal(host)),
            relays,
            secure,
        })
    }
}

/// Host and port; the port is empty if there is none.
fn check_authority(authority: &str) -> Result<(&str, &str), IceUrlError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or(IceUrlError::Host)?;
        address.parse::<Ipv6Addr>().map_err(|_| IceUrlError::Host)?;
        match after.strip_prefix(':') {
            Some(port) => (address, Some(port)),
            None if after.is_empty() => (address, None),
            None => return Err(IceUrlError::Port),
        }
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if host.is_empty() || !host.bytes().all(in_name) {
            return Err(IceUrlError::Host);
        }
        (host, port)
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Err(IceUrlError::Port);
    }
    Ok((host, port.unwrap_or_default()))
}

impl TryFrom<String> for IceUrl {
    type Error = IceUrlError;

    fn try_from(text: String) -> Result<Self, IceUrlError> {
        text.parse()
    }
}

impl From<IceUrl> for String {
    fn from(url: IceUrl) -> Self {
        url.text
    }
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is no URL of an ICE server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IceUrlError {
    /// It starts with something else.
    #[error("it has to start with stun:, stuns:, turn: or turns:")]
    Scheme,
    /// `stun://host`.
    #[error("no slashes stand after the scheme, as in stun:stun.example.com")]
    Slashes,
    /// No host, or none that can be one.
    #[error("it has no valid host after the scheme")]
    Host,
    /// A port outside of 1 to 65535.
    #[error("its port is not 1 to 65535")]
    Port,
    /// A query that is not allowed.
    #[error("only ?transport=udp or ?transport=tcp may end it, and only with turn: or turns:")]
    Query,
    /// Longer than any host name and port.
    #[error("it is longer than {MAX_URL} bytes")]
    TooLong,
}
