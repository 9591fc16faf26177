//! The same storm over HTTP/2, whose fields become those of HTTP/1.1 behind the proxy.

use tokio::io::AsyncWriteExt;
use whipstitch_tests::{
    Client,
    dice::Dice,
    raw_h2::{self, END_HEADERS, END_STREAM, block, frame, kind},
};

/// Fields that a request gets besides its own.
const FIELDS: &[(&str, &str)] = &[
    ("x-request-id", "forged"),
    ("x-forwarded-for", "203.0.113.9"),
    ("x_forwarded_for", "203.0.113.9"),
    ("forwarded", "for=203.0.113.9"),
    ("connection", "x-request-id"),
    ("transfer-encoding", "chunked"),
    ("content-length", "3"),
    ("upgrade", "websocket"),
    ("te", "trailers"),
    ("expect", "100-continue"),
    ("host", "elsewhere"),
    ("host", "localhost"),
    ("cookie", "a=b"),
    ("x", "a\r\nx-forwarded-for: b"),
    ("x: a\r\nx-request-id", "b"),
    (":path", "/second"),
    ("x", "a\0"),
    ("X", "a"),
];

/// Some requests on one connection, each read to its answer or the connection's end; how many.
pub(super) async fn storm(dice: &mut Dice, client: &Client, name: &str) -> usize {
    let mut io = raw_h2::open(client).await;
    for (sent, stream) in [1, 3, 5].into_iter().enumerate() {
        let path = format!("/page?n={name}-{stream}");
        let mut fields = vec![
            (":method", *dice.pick(&["GET", "OPTIONS", "DELETE", "POST"])),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", &path),
        ];
        fields.extend((0..dice.roll(4)).map(|_| *dice.pick(FIELDS)));
        let flags = END_HEADERS | END_STREAM;
        let headers = frame(kind::HEADERS, flags, stream, &block(&fields));
        if io.write_all(&headers).await.is_err() {
            return sent + 1;
        }
        let ends = [kind::HEADERS, kind::RST_STREAM, kind::GOAWAY];
        match raw_h2::until(&mut io, &ends).await {
            Some(frame) if frame[3] != kind::GOAWAY => {}
            _ => return sent + 1,
        }
    }
    3
}
