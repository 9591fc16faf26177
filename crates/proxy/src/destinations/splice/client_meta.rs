//! The headers that describe a client's WebSocket to a node, as the Stream Manager's own proxy
//! names them (Red5 Pro documentation, Stream Manager proxy, Headers).
//!
//! Only WebSockets have these headers there, so only they have them here. A client's own are
//! dropped with everything else that begins with `X-Forwarded-`.

use http::{HeaderMap, HeaderName, HeaderValue, header::ORIGIN};

use crate::{Exchange, request::trusted_proxies::Scheme};

const PORT: HeaderName = HeaderName::from_static("x-forwarded-for-meta-port");
const SECURE: HeaderName = HeaderName::from_static("x-forwarded-for-meta-secure");
const TYPE: HeaderName = HeaderName::from_static("x-forwarded-for-meta-type");

/// Adds them. The port is the client's own, so it is left out behind a trusted proxy, which does
/// not tell it. The type is `WEB` for a page and `DIRECT` for everything else, which sends no
/// `Origin`.
pub(super) fn add(headers: &mut HeaderMap, exchange: &Exchange) {
    let record = exchange.record();
    if let Some(peer) = record.peer.as_ref().filter(|_| !record.provenance.trusted) {
        headers.insert(PORT, HeaderValue::from(peer.addr.port()));
    }
    let secure = exchange.scheme() == Some(Scheme::Https);
    let secure = if secure { "true" } else { "false" };
    headers.insert(SECURE, HeaderValue::from_static(secure));
    let kind = if headers.contains_key(ORIGIN) {
        "WEB"
    } else {
        "DIRECT"
    };
    headers.insert(TYPE, HeaderValue::from_static(kind));
}
