//! Trusted proxies: which peers may set `Forwarded` and `X-Forwarded-*` (`proxy.trusted`).
//!
//! Each proxy appends the address that it got the request from, so the list begins with whatever
//! the client made up. It is read from the right, beginning with the connection, as long as each
//! hop is a trusted proxy; the first that is not is the client. Everything further left is dropped.

mod forwarded;

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED, uri::Authority};
use ipnet::IpNet;

pub(crate) use self::forwarded::Scheme;
use crate::request::peer::Peer;

/// Most hops between the client and us that are read.
const MAX_HOPS: usize = 16;

/// The headers that proxies add: RFC 7239's, and the older ones.
const MARKS: [HeaderName; 4] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("via"),
];

/// The networks of `proxy.trusted`; none by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Arc<[IpNet]>);

/// Who the client is and how it reaches us, as far as that is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Provenance {
    /// The client's address; a trusted proxy's if it does not name its client.
    pub(crate) client: Option<IpAddr>,
    /// Whether that is the address of one client, not of a proxy with many clients.
    pub(crate) is_one: bool,
    /// How the client reaches the trusted proxy, if that is known.
    pub(crate) scheme: Option<Scheme>,
    /// The host that the client asked the trusted proxy for, if that is known.
    pub(crate) host: Option<Authority>,
    /// Whether the peer is a trusted proxy.
    pub(crate) trusted: bool,
    /// The value of `X-Forwarded-For`: all addresses from the client to the peer; `None` if there
    /// is no trusted proxy between.
    pub(crate) hops: Option<HeaderValue>,
}

impl TrustedProxies {
    pub(crate) fn new(trusted: &[IpNet]) -> Self {
        Self(trusted.into())
    }

    /// Reads the provenance of a request.
    pub(crate) fn read(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Provenance {
        let Some(peer) = peer else {
            return Provenance::default();
        };
        let address = peer.addr.ip().to_canonical();
        if !self.trusts(address) {
            return Provenance {
                client: Some(address),
                is_one: peer.is_one && !MARKS.iter().any(|name| headers.contains_key(name)),
                ..Provenance::default()
            };
        }
        let forwarded = forwarded::read(headers, |hop| self.trusts(hop));
        let client = forwarded.hops.last().copied();
        Provenance {
            client: client.or(Some(address)),
            // A trusted address there is a proxy that does not name its clients.
            is_one: client.is_some_and(|client| !self.trusts(client)),
            scheme: forwarded.scheme,
            host: forwarded.host,
            trusted: true,
            hops: client.and_then(|_| forwarded_for(&forwarded.hops, address)),
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// `X-Forwarded-For`: from the client, the last of `hops`, to the peer.
fn forwarded_for(hops: &[IpAddr], peer: IpAddr) -> Option<HeaderValue> {
    let hops = hops.iter().rev().chain([&peer]);
    let hops: Vec<String> = hops.map(IpAddr::to_string).collect();
    HeaderValue::try_from(hops.join(", ")).ok()
}

#[cfg(test)]
mod tests;
