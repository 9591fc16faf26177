//! The fingerprint of a client.
//!
//! It is for requests that do not say which session or which `OPTIONS` they belong to: session URLs
//! without a token ([`crate::sessions`]), the affinity of a `POST` to the node of its `OPTIONS`,
//! and the guard against loops of counter-offers.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    net::IpAddr,
    sync::LazyLock,
};

use http::{
    Request,
    header::{AUTHORIZATION, ORIGIN, USER_AGENT},
};
use whipstitch_signaling::{Role, StreamKey, query};

use crate::Exchange;

/// A client, as far as one can be told from another, and the stream that its request names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey {
    address: IpAddr,
    /// Of role and stream, under a key of this process.
    stream: u64,
    /// Of `User-Agent`, `Origin`, `Authorization` and a player's `requestId`, under the same.
    fingerprint: u64,
}

impl ClientKey {
    /// The client of this request; `None` only where clients cannot be told apart: the address is
    /// that of a proxy that is not trusted, or does not say for which client it speaks.
    pub(crate) fn of<B>(
        role: Role,
        key: &StreamKey,
        request: &Request<B>,
        exchange: &Exchange,
    ) -> Option<Self> {
        static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let provenance = &exchange.record().provenance;
        let address = provenance.client.filter(|_| provenance.is_one)?;
        let mut hasher = SECRET.build_hasher();
        for name in [USER_AGENT, ORIGIN, AUTHORIZATION] {
            let values = request.headers().get_all(name);
            hasher.write_usize(values.iter().count());
            for value in values {
                value.as_bytes().hash(&mut hasher);
            }
        }
        // Its token may be gone from the header by now.
        exchange.owner().hash(&mut hasher);
        if role == Role::Play {
            let query = request.uri().query().unwrap_or_default();
            query::get(query, "requestId").hash(&mut hasher);
        }
        Some(Self {
            address,
            stream: SECRET.hash_one((role, key)),
            fingerprint: hasher.finish(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Peer;

    /// The key of a player's request with these fields, from this address.
    fn key(from: &str, target: &str, fields: &[(&str, &str)]) -> Option<ClientKey> {
        let mut request = Request::get(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let peer = Peer::new(from.parse().unwrap(), true);
        let exchange = Exchange::begin(request.headers(), Some(peer));
        let stream = StreamKey::new("live", "s1").unwrap();
        ClientKey::of(Role::Play, &stream, &request, &exchange)
    }

    const HERE: &str = "/live/whep/resource/s1?requestId=subscriber-1";
    const PAGE: &[(&str, &str)] = &[("user-agent", "page"), ("origin", "https://a.example")];

    #[test]
    fn a_client_is_its_address_its_headers_and_its_request_id() {
        let maker = key("192.0.2.1:1000", "/x?a=b&requestId=subscriber-1", PAGE);
        assert!(maker.is_some());
        assert_eq!(key("192.0.2.1:2000", HERE, PAGE), maker);
        assert_eq!(key("[::ffff:192.0.2.1]:2", HERE, PAGE), maker);
        for other in [
            key("192.0.2.2:1000", HERE, PAGE),
            key("192.0.2.1:1000", "/x?requestId=subscriber-2", PAGE),
            key("192.0.2.1:1000", "/x", PAGE),
            key("192.0.2.1:1000", HERE, &PAGE[..1]),
            key("192.0.2.1:1000", HERE, &[("user-agent", "x"), PAGE[1]]),
            key(
                "192.0.2.1:1000",
                HERE,
                &[PAGE[0], PAGE[1], ("authorization", "x")],
            ),
        ] {
            assert_ne!(other, maker);
        }
    }

    #[test]
    fn behind_a_proxy_that_is_not_trusted_there_is_none() {
        for name in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
            let fields = [PAGE[0], (name, "192.0.2.9")];
            assert_eq!(key("192.0.2.1:1000", HERE, &fields), None, "{name}");
        }
    }
}
