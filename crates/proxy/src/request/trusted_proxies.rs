//! Forwarders: who stands in front, and is believed when it says for whom it speaks.
//!
//! A forwarder writes whom it heard behind what it was told, so the list of a client's address
//! begins with whatever the client made up. It is read from the right, from the connection on, as
//! long as each place is one of `proxy.trusted`; the first that is not is the client. What stands
//! further left is nobody's word, and goes no further.

mod said;

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED, uri::Authority};
use ipnet::IpNet;

pub(crate) use self::said::Scheme;
use crate::Peer;

/// Most places between the client and us that are looked at.
const MAX_HOPS: usize = 16;

/// What forwarders add, RFC 7239's and the older ones.
const MARKS: [HeaderName; 4] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("via"),
];

/// The networks of `proxy.trusted`; nobody by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forwarders(Arc<[IpNet]>);

/// Who asks, and by which way, as far as that can be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whence {
    /// The client's address; a forwarder's if it does not say for whom it speaks.
    pub(crate) client: Option<IpAddr>,
    /// Whether that is the address of one client, and not of somebody who speaks for many.
    pub(crate) is_one: bool,
    /// How the client reaches the forwarder, if that is known.
    pub(crate) scheme: Option<Scheme>,
    /// The host that the client asked the forwarder for, if that is known.
    pub(crate) host: Option<Authority>,
    /// Whether it is a forwarder that asks, whatever it says.
    pub(crate) trusted: bool,
    /// The way from the client to us, as it stands in `X-Forwarded-For`; `None` if there is nothing
    /// between.
    pub(crate) way: Option<HeaderValue>,
}

impl Forwarders {
    pub(crate) fn new(trusted: &[IpNet]) -> Self {
        Self(trusted.into())
    }

    /// Reads who asks.
    pub(crate) fn whence(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Whence {
        let Some(address) = peer.map(|peer| peer.addr.ip().to_canonical()) else {
            return Whence::default();
        };
        if !self.trusts(address) {
            return Whence {
                client: Some(address),
                is_one: !MARKS.iter().any(|name| headers.contains_key(name)),
                ..Whence::default()
            };
        }
        let said = said::read(headers, |hop| self.trusts(hop));
        let client = said.way.last().copied();
        Whence {
            client: client.or(Some(address)),
            // An address in there may be a forwarder that does not tell, and many clients behind
            // it.
            is_one: client.is_some_and(|client| !self.trusts(client)),
            scheme: said.scheme,
            host: said.host,
            trusted: true,
            way: client.and_then(|_| way(&said.way, address)),
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// From the client, the last of `hops`, to the one that is connected.
fn way(hops: &[IpAddr], connected: IpAddr) -> Option<HeaderValue> {
    let places = hops.iter().rev().chain([&connected]);
    let places: Vec<String> = places.map(IpAddr::to_string).collect();
    HeaderValue::try_from(places.join(", ")).ok()
}

#[cfg(test)]
mod tests;
