//! One request to the manager, with the client's credentials and address.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, header};

const FORWARDED_FOR: &str = "x-forwarded-for";

/// A request, read whole.
pub(super) struct ManagerRequest<'r> {
    pub(super) method: &'r Method,
    pub(super) path: &'r str,
    pub(super) query: &'r str,
    pub(super) headers: &'r HeaderMap,
    pub(super) body: &'r str,
    /// The other end of the connection.
    pub(super) peer: Option<IpAddr>,
}

impl ManagerRequest<'_> {
    /// The token of `Authorization: Bearer`.
    pub(super) fn bearer(&self) -> Option<&str> {
        self.authorization()?.strip_prefix("Bearer ")
    }

    /// User and password of `Authorization: Basic` (RFC 7617), joined by a colon.
    pub(super) fn basic(&self) -> Option<String> {
        let encoded = self.authorization()?.strip_prefix("Basic ")?;
        String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
    }

    /// The address of the client: that of `X-Forwarded-For`, which has to be one address, or else
    /// the peer's. A list of addresses names no client.
    pub(super) fn client(&self) -> Option<IpAddr> {
        let mut values = self.headers.get_all(FORWARDED_FOR).iter();
        match (values.next(), values.next()) {
            (None, _) => self.peer,
            (Some(value), None) => value.to_str().ok()?.trim().parse().ok(),
            (Some(_), Some(_)) => None,
        }
    }

    fn authorization(&self) -> Option<&str> {
        self.headers.get(header::AUTHORIZATION)?.to_str().ok()
    }
}
