//! What client and node say to each other: the same words for every target and work.

use std::fmt::Write as _;
use std::sync::LazyLock;

/// The address of the node; the manager has 127.0.0.1, where no node may be taken for it.
pub(super) const NODE: &str = "127.0.0.2";
/// A page of the manager: what a proxy passes on without looking at it.
pub(super) const PAGE: &str = "/index.html";
/// The name in the certificate.
pub(super) const NAME: &str = "localhost";
/// The `Sec-WebSocket-Key` of every client, and what a node must make of it (RFC 6455 §1.3).
pub(super) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The answer to [`KEY`].
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Bytes of the page.
pub(super) const PAGE_LENGTH: usize = 1024;
/// Bytes of a publisher's offer.
pub(super) const OFFER_LENGTH: usize = 4096;
/// Bytes of a node's answer.
pub(super) const ANSWER_LENGTH: usize = 3072;

/// A fragment with one candidate (RFC 8840 §9).
const FRAGMENT: &str = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
    a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n";

/// The offer that a publisher posts.
pub(super) static OFFER: LazyLock<String> = LazyLock::new(|| sdp(OFFER_LENGTH));
/// The answer of a node.
pub(super) static ANSWER: LazyLock<String> = LazyLock::new(|| sdp(ANSWER_LENGTH));
/// The page of the manager.
pub(super) static BODY: LazyLock<String> = LazyLock::new(|| "x".repeat(PAGE_LENGTH));

/// Where the `index`th publisher posts its offer.
pub(super) fn endpoint(index: usize) -> String {
    format!("/live/whip/endpoint/stream{index}")
}

/// A GET as the bytes of HTTP/1.1.
pub(super) fn get() -> Vec<u8> {
    format!("GET {PAGE} HTTP/1.1\r\nHost: {NAME}\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n")
        .into()
}

/// A WHIP POST as the bytes of HTTP/1.1 (RFC 9725 §4.2).
pub(super) fn post(index: usize) -> Vec<u8> {
    let (endpoint, offer) = (endpoint(index), &*OFFER);
    format!(
        "POST {endpoint} HTTP/1.1\r\nHost: {NAME}\r\nAccept: */*\r\nUser-Agent: bench\r\n\
         Content-Type: application/sdp\r\nContent-Length: {OFFER_LENGTH}\r\n\r\n{offer}"
    )
    .into()
}

/// A request that the proxy answers itself, as the bytes of HTTP/1.1.
pub(super) fn ask() -> Vec<u8> {
    format!("GET /live/whip/endpoint/s HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: bench\r\n\r\n")
        .into()
}

/// Trickle ICE to a session (RFC 9725 §4.3.2), as the bytes of HTTP/1.1.
pub(super) fn patch(session: &str) -> Vec<u8> {
    let length = FRAGMENT.len();
    format!(
        "PATCH {session} HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: bench\r\n\
         Content-Type: application/trickle-ice-sdpfrag\r\nContent-Length: {length}\r\n\r\n{FRAGMENT}"
    )
    .into()
}

/// The end of a session, as the bytes of HTTP/1.1.
pub(super) fn delete(session: &str) -> Vec<u8> {
    format!("DELETE {session} HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: bench\r\n\r\n").into()
}

/// What a browser asks before a page of another origin may POST (Fetch §4.8), as the bytes of
/// HTTP/1.1.
pub(super) fn preflight(index: usize) -> Vec<u8> {
    let endpoint = endpoint(index);
    format!(
        "OPTIONS {endpoint} HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: bench\r\n\
         Origin: https://example.com\r\nAccess-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: content-type\r\n\r\n"
    )
    .into()
}

/// The handshake of an `RTCPublisher`'s socket (RFC 6455 §4.1) in the form that the Stream
/// Manager's proxy takes.
pub(super) fn upgrade(index: usize) -> Vec<u8> {
    format!(
        "GET /streammanager/?id=stream{index}&host={NODE}&app=live HTTP/1.1\r\nHost: {NAME}\r\n\
         User-Agent: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
    .into()
}

/// Session description (RFC 8866) of `length` bytes: what a browser writes, and candidates for the
/// rest.
fn sdp(length: usize) -> String {
    let mut sdp = String::from(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n",
    );
    let mut port = 40_000;
    while sdp.len() + 64 < length {
        // Writing to a String cannot fail.
        let _ = write!(
            sdp,
            "a=candidate:1 1 udp 2122260223 192.0.2.1 {port} typ host\r\n"
        );
        port += 1;
    }
    let rest = length.saturating_sub(sdp.len() + "a=x:\r\n".len());
    let _ = write!(sdp, "a=x:{}\r\n", "x".repeat(rest));
    sdp
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_length_that_they_promise() {
        assert_eq!(OFFER.len(), OFFER_LENGTH);
        assert_eq!(ANSWER.len(), ANSWER_LENGTH);
        assert!(OFFER.ends_with("\r\n"));
    }
}
