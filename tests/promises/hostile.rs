//! Any bytes on any listener get an answer or a close, never a panic or a hang.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whipstitch_tests::{Client, Deployment, Proxy, deployment::SOON, dice::Dice};

const SEEDS: u64 = 256;

/// Pieces of requests, whole and broken, in any order.
fn nonsense(seed: u64) -> Vec<u8> {
    let pieces: &[&[u8]] = &[
        b"GET ",
        b"POST ",
        b"PATCH ",
        b"CONNECT ",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"/",
        b"*",
        b"http://a/",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b"/live/whip/endpoint/s1",
        b"/live/whip/resource/s1/AAAA",
        b"/streammanager/?host=",
        b"127.0.0.1&app=live",
        b"Host: a\r\n",
        b"Host: \xff\r\n",
        b"Host: a\r\nHost: b\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
        b"Sec-WebSocket-Version: 13\r\n",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        b"Content-Type: application/sdp\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"5\r\nhello\r\n",
        b"ffffffffffffffff\r\n",
        b"0\r\n\r\n",
        b"v=0\r\n",
        b": \r\n",
        b" folded\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x88\x80\x01\x02\x03\x04",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    ];
    let mut dice = Dice(seed);
    (0..=dice.roll(12))
        .flat_map(|_| dice.pick(pieces).to_vec())
        .collect()
}

/// Sends, shuts the write side down, and waits for the end.
async fn throw(client: &Client, bytes: &[u8]) {
    let (mut io, _) = client.connect().await;
    let _ = io.write_all(bytes).await;
    let _ = io.shutdown().await;
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, io.read_to_end(&mut answer))
        .await
        .expect("an answer or a close")
        .ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_gets_an_answer_or_a_close() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.timeouts.answer = Duration::from_millis(500);
    let proxy = deployment.proxy_with(config);
    let raw_tls = Client::plain(proxy.h1.addr());
    for seed in 0..SEEDS {
        let bytes = nonsense(seed);
        // To the plain listener, to the TLS listener before and after a handshake, to HTTP/2, and
        // to the admin one.
        for client in [&proxy.plain, &raw_tls, &proxy.h1, &proxy.h2, &proxy.admin] {
            throw(client, &bytes).await;
        }
    }
    still_well(&proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_and_unfinished_requests_are_cut_off() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.connections.handshake_timeout = Duration::from_millis(300);
    config.connections.header_timeout = Duration::from_millis(300);
    config.timeouts.body = Duration::from_millis(300);
    let proxy = deployment.proxy_with(config);
    let raw_tls = Client::plain(proxy.h1.addr());
    let body = b"POST /live/whip/endpoint/s1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\nContent-Length: 9\r\n\r\nv";
    let settled = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00";
    for (client, begin) in [
        (&raw_tls, &b""[..]),
        (&raw_tls, &b"\x16\x03\x01"[..]),
        (&proxy.plain, b""),
        (&proxy.plain, b"GET / HTT"),
        (&proxy.plain, b"GET / HTTP/1.1\r\nHost: a\r\n"),
        (&proxy.h1, b""),
        (&proxy.h1, b"GET /"),
        (&proxy.h1, body),
        (&proxy.h2, b""),
        (&proxy.h2, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (&proxy.h2, settled),
    ] {
        let (mut io, _) = client.connect().await;
        io.write_all(begin).await.unwrap();
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(SOON, io.read_to_end(&mut answer)).await;
        assert!(
            ended.is_ok(),
            "{:?} is waited for",
            String::from_utf8_lossy(begin)
        );
    }
    still_well(&proxy).await;
}

async fn still_well(proxy: &Proxy) {
    assert!(proxy.metric("whipstitch_panics_total").await.abs() < f64::EPSILON);
    assert_eq!(
        proxy
            .h1
            .get("/streammanager/api/4.0/event/live/s1?action=broadcast")
            .await
            .status,
        200
    );
    proxy
        .until_metric("whipstitch_requests_in_flight", 0.0)
        .await;
    proxy.until_metric("whipstitch_connections_open", 0.0).await;
}
