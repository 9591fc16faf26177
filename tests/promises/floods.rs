//! A client that floods a connection is disconnected, and others are not affected.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whipstitch_tests::{
    Client, Deployment, Proxy,
    deployment::SOON,
    raw_h2::{self, END_HEADERS, END_STREAM, block, frame, kind},
};

/// Frames after which a flood ends if it is not stopped; far fewer must be enough.
const MANY: u32 = 20_000;
/// An answer that costs no lookup.
const ASK: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", "/live/whip/endpoint/s1"),
];
const PUBLISH: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", "/live/whip/endpoint/s1"),
    ("content-type", "application/sdp"),
];

/// Writes the frames of each number until the peer ends the connection; returns whether it did.
async fn is_cut(client: &Client, first: &[u8], mut next: impl FnMut(u32) -> Vec<u8>) -> bool {
    let mut io = raw_h2::open(client).await;
    io.write_all(first).await.unwrap();
    let (mut from, mut to) = tokio::io::split(io);
    let write = async {
        for number in 0..MANY {
            if to.write_all(&next(number)).await.is_err() {
                return true;
            }
        }
        // The peer may not have read everything yet: the reading half sees the end, if there is
        // one.
        std::future::pending().await
    };
    let read = async {
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(SOON, from.read_to_end(&mut answer));
        ended.await.is_ok()
    };
    tokio::select! {
        cut = write => cut,
        cut = read => cut,
    }
}

fn stream_of(number: u32) -> u32 {
    2 * number + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_flood_ends_its_connection_and_others_are_served() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    // The flood must end the connection, not its age.
    config.connections.header_timeout = Duration::from_mins(1);
    config.timeouts.body = Duration::from_mins(1);
    let proxy = deployment.proxy_with(config);
    let ask = block(ASK);

    // CVE-2023-44487: requests that the client resets before they are answered.
    let reset = |number| {
        let stream = stream_of(number);
        let mut frames = frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &ask);
        frames.extend(frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        frames
    };
    assert!(is_cut(&proxy.h2, b"", reset).await, "rapid reset");

    // CVE-2025-8671: requests that the client makes the server reset.
    let made_to_reset = |number| {
        let stream = stream_of(number);
        let mut frames = frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &ask);
        frames.extend(frame(kind::WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes()));
        frames
    };
    assert!(is_cut(&proxy.h2, b"", made_to_reset).await, "resets made");

    // CVE-2024-27316 and its like: a header without end.
    let begun = frame(kind::HEADERS, END_STREAM, 1, &ask);
    let more = |_| frame(kind::CONTINUATION, 0, 1, &block(&[("x-more", "of it")]));
    assert!(is_cut(&proxy.h2, &begun, more).await, "continuations");

    // CVE-2019-9518: pieces of a body with nothing in them.
    let begun = frame(kind::HEADERS, END_HEADERS, 1, &block(PUBLISH));
    let empty = |_| frame(kind::DATA, 0, 1, b"");
    assert!(is_cut(&proxy.h2, &begun, empty).await, "empty pieces");

    // CVE-2019-9512 and CVE-2019-9515: frames that the server has to acknowledge.
    let ping = |_| frame(kind::PING, 0, 0, &[0; 8]);
    assert!(is_cut(&proxy.h2, b"", ping).await, "pings");
    let settings = |_| frame(kind::SETTINGS, 0, 0, b"");
    assert!(is_cut(&proxy.h2, b"", settings).await, "settings");

    still_well(&proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_beyond_the_limit_is_refused() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let long = format!("X-Long: {}\r\n", "a".repeat(70 * 1024));
    let many = "X-Many: a\r\n".repeat(101);
    for header in [&long, &many] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n");
        let (mut io, _) = proxy.plain.connect().await;
        // The proxy may close before it has read everything, and a reset discards the answer: that
        // is a refusal too.
        let _ = io.write_all(request.as_bytes()).await;
        let mut answer = [0; 12];
        let read = tokio::time::timeout(SOON, io.read_exact(&mut answer)).await;
        if read.expect("an answer or an end in time").is_ok() {
            let status = String::from_utf8_lossy(&answer);
            assert_eq!(status, "HTTP/1.1 431", "{} bytes", header.len());
        }
    }

    let mut fields = ASK.to_vec();
    let piece = "a".repeat(120);
    fields.extend([("x-long", &*piece); 150]);
    let header = block(&fields);
    let (first, rest) = header.split_at(16 * 1024);
    let mut io = raw_h2::open(&proxy.h2).await;
    let mut frames = frame(kind::HEADERS, END_STREAM, 1, first);
    frames.extend(frame(kind::CONTINUATION, END_HEADERS, 1, rest));
    io.write_all(&frames).await.unwrap();
    let ends = [kind::HEADERS, kind::RST_STREAM, kind::GOAWAY];
    if let Some(answer) = raw_h2::until(&mut io, &ends).await
        && answer[3] == kind::HEADERS
    {
        // A status that is not one of the seven in HPACK's own table is written there in digits.
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains("204"), "{answer}");
        assert_ne!(answer.as_bytes()[9], 0x89, "204 by its index");
    }
    assert_eq!(
        proxy
            .metric("whipstitch_requests_total{class=\"2xx\",subject=\"whip_endpoint\"}")
            .await
            .to_bits(),
        0,
        "it was not served"
    );
    assert!(deployment.cluster.seen().requests().is_empty());
    still_well(&proxy).await;
}

async fn still_well(proxy: &Proxy) {
    assert!(proxy.metric("whipstitch_panics_total").await.abs() < f64::EPSILON);
    for client in [&proxy.h1, &proxy.h2, &proxy.plain] {
        assert_eq!(client.get("/live/whip/endpoint/s1").await.status, 204);
    }
    proxy
        .until_metric("whipstitch_requests_in_flight", 0.0)
        .await;
}
