//! One request of a client is one request upstream: none can be hidden in another, whatever its
//! framing.

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whipstitch_minicluster::{SeenRequest, Server};
use whipstitch_tests::{
    Client, Deployment,
    deployment::SOON,
    raw_h2::{self, END_HEADERS, END_STREAM, block, frame, kind},
};

/// The request hidden behind each message below. The Stream Manager would answer it.
const HIDDEN: &str = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Heads of a request to the Stream Manager, and the bytes before the hidden request.
const AMBIGUOUS: &[(&str, &str)] = &[
    (
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    ),
    (
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "0\r\n\r\n",
    ),
    ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
    (
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "0\r\n\r\n",
    ),
    ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
    ("X: a\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("X: a\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("Content-Length: 0\r\nContent-Length: 3\r\n", "abc"),
    ("Content-Length: 0, 3\r\n", "abc"),
    ("Content-Length: +3\r\n", "abc"),
    ("Content-Length: -1\r\n", ""),
    ("Content-Length: 0x3\r\n", "abc"),
    ("Content-Length : 3\r\n", "abc"),
    ("Content-Length: 18446744073709551616\r\n", ""),
    (
        "Transfer-Encoding: chunked\r\n",
        "fffffffffffffffff\r\n0\r\n\r\n",
    ),
    ("Transfer-Encoding: chunked\r\n", "-1\r\n\r\n0\r\n\r\n"),
    ("X: a\0b\r\n", ""),
];

async fn everything(client: &Client, bytes: &str) -> String {
    let (mut io, _) = client.connect().await;
    let _ = io.write_all(bytes.as_bytes()).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, io.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "no end after {bytes:?}");
    String::from_utf8_lossy(&answer).into_owned()
}

fn seen_nothing(deployment: &Deployment) -> bool {
    deployment.cluster.seen().requests().is_empty()
}

fn hidden(seen: &[SeenRequest]) -> bool {
    seen.iter()
        .any(|request| request.target.contains("smuggled"))
}

/// A proxy in front of us may have read the same bytes otherwise; so nothing behind a doubtful
/// message is a request.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_behind_an_ambiguous_message_is_a_request() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for (fields, before) in AMBIGUOUS {
        for client in [&proxy.plain, &proxy.h1] {
            let bytes =
                format!("POST /page HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{before}{HIDDEN}");
            let answer = everything(client, &bytes).await;
            let answers = answer.matches("HTTP/1.1 ").count();
            assert!(answers <= 1, "{fields:?}: {answer}");
            assert!(!hidden(&deployment.cluster.seen().requests()), "{fields:?}");
        }
    }
    // Were it sent by itself, it would be seen: the check above is one.
    assert_eq!(proxy.plain.get("/smuggled").await.status, 404);
    assert!(hidden(&deployment.cluster.seen().requests()));
}

/// Framing that servers are free to accept (RFC 9112 §2.2, §6.1, §6.3), and which two servers may
/// read differently.
const REFUSED: &[(&str, &str)] = &[
    (
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "how long its body is",
    ),
    (
        "Transfer-Encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        "how long its body is",
    ),
    (
        "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "how long its body is",
    ),
    ("X: a\nY: b\r\n\r\n", "ends with CR LF"),
    ("X: a\r\n\n", "ends with CR LF"),
];

/// The answer names the error, and the connection ends: also after a body, and however the bytes
/// arrive.
#[tokio::test(flavor = "multi_thread")]
async fn framing_that_can_be_read_in_two_ways_is_refused() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let before = "POST /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc";
    for (rest, cause) in REFUSED {
        let bad = format!("POST /page HTTP/1.1\r\nHost: localhost\r\n{rest}");
        for client in [&proxy.plain, &proxy.h1] {
            for (first, answers) in [("", 1), (before, 2)] {
                let answer = everything(client, &format!("{first}{bad}{HIDDEN}")).await;
                assert_eq!(answer.matches("HTTP/1.1 ").count(), answers, "{answer}");
                assert!(answer.contains("HTTP/1.1 400 "), "{rest:?}: {answer}");
                assert!(answer.contains(cause), "{rest:?}: {answer}");
            }
        }
        let (mut io, _) = proxy.plain.connect().await;
        for byte in bad.as_bytes() {
            let _ = io.write_all(&[*byte]).await;
        }
        let mut answer = String::new();
        let _ = io.read_to_string(&mut answer).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{rest:?}: {answer}");
    }
    assert!(!hidden(&deployment.cluster.seen().requests()));
}

/// Bytes that look like a request stay the body that the length announces.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_stays_a_body() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let length = HIDDEN.len();
    let whole = format!("Content-Length: {length}\r\n\r\n{HIDDEN}");
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n");
    for body in [&whole, &chunked] {
        for head in [
            "GET /page HTTP/1.1\r\n",
            "POST /page HTTP/1.1\r\n",
            "POST /live/whip/endpoint/s1 HTTP/1.1\r\nContent-Type: application/sdp\r\n",
            "PATCH /live/whip/resource/s1/x HTTP/1.1\r\nContent-Type: application/sdp\r\n",
            "GET /streammanager/?host=127.0.0.1&app=live HTTP/1.1\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: upgrade\r\n",
        ] {
            let head = format!("{head}Host: localhost\r\nConnection: close\r\n{body}");
            let answer = everything(&proxy.plain, &head).await;
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head}: {answer}");
        }
    }
    let seen = deployment.cluster.seen();
    assert!(!hidden(&seen.requests()));
    assert_eq!(
        seen.received(Server::Manager, &Method::POST),
        2,
        "the pages"
    );
}

/// HTTP/2 has no framing in its fields, and HTTP/1.1 behind us has: fields that would become some
/// must not pass.
#[tokio::test(flavor = "multi_thread")]
async fn no_field_of_http2_becomes_framing_or_a_request() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let injected = "/page HTTP/1.1\r\nX-Injected: a\r\n\r\nGET /smuggled";
    let cases: &[&[(&str, &str)]] = &[
        &[(":path", "/page"), ("transfer-encoding", "chunked")],
        &[
            (":path", "/page"),
            ("connection", "x-injected"),
            ("x-injected", "a"),
        ],
        &[(":path", "/page"), ("upgrade", "websocket")],
        &[(":path", "/page"), ("te", "gzip")],
        &[(":path", "/page"), ("content-length", "40")],
        &[(":path", "/page"), ("x", "a\r\nx-injected: a")],
        &[(":path", "/page"), ("x", "a\nx-injected: a")],
        &[(":path", "/page"), ("x: a\r\nx-injected", "a")],
        &[(":path", "/page"), ("X-Injected", "a")],
        &[(":path", "/page"), ("host", "elsewhere")],
        &[(":path", "/page"), (":path", "/smuggled")],
        &[(":path", "/page"), (":method", "DELETE")],
        &[(":path", injected)],
        &[(":path", "/smuggled HTTP/1.1")],
        &[(":path", "smuggled")],
        &[("x-injected", "a"), (":path", "/page")],
    ];
    for fields in cases {
        let mut all = vec![
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "localhost"),
        ];
        all.extend_from_slice(fields);
        let mut io = raw_h2::open(&proxy.h2).await;
        let headers = frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block(&all));
        io.write_all(&headers).await.unwrap();
        let ends = [kind::HEADERS, kind::RST_STREAM, kind::GOAWAY];
        raw_h2::until(&mut io, &ends).await;
        for request in deployment.cluster.seen().requests() {
            let fields_seen = &request.headers;
            assert!(request.target == "/page", "{fields:?}: {request:?}");
            assert!(
                !fields_seen.contains_key("x-injected"),
                "{fields:?}: {request:?}"
            );
            assert!(
                !fields_seen.contains_key("transfer-encoding"),
                "{fields:?}: {request:?}"
            );
            assert!(
                !fields_seen.contains_key("upgrade"),
                "{fields:?}: {request:?}"
            );
            assert!(
                fields_seen.get_all("host").iter().count() == 1,
                "{fields:?}: {request:?}"
            );
        }
    }
    for (name, value) in [
        (":authority", "localhost\r\nX-Injected: a"),
        (":authority", "a@localhost"),
        (":method", "GET /smuggled HTTP/1.1\r\n\r\n"),
    ] {
        let rest = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "localhost"),
        ];
        let mut all: Vec<_> = rest
            .into_iter()
            .filter(|(other, _)| *other != name)
            .collect();
        all.extend([(name, value), (":path", "/page")]);
        let mut io = raw_h2::open(&proxy.h2).await;
        let before = deployment.cluster.seen().requests().len();
        let headers = frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block(&all));
        io.write_all(&headers).await.unwrap();
        let ends = [kind::HEADERS, kind::RST_STREAM, kind::GOAWAY];
        raw_h2::until(&mut io, &ends).await;
        let seen = deployment.cluster.seen().requests();
        assert_eq!(seen.len(), before, "{name} {value:?}: {seen:?}");
    }
}

/// Servers are known that leave the body of such a request unread, or answer an unknown `Expect`
/// before the body comes: the rest is then read as the next request of a shared connection.
#[tokio::test(flavor = "multi_thread")]
async fn no_body_and_no_expectation_that_a_server_may_leave_unread_is_passed_on() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let length = format!("Content-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len());
    let size = HIDDEN.len();
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{HIDDEN}\r\n0\r\n\r\n");
    for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
        for target in [
            "/page",
            "/live/whip/resource/s1/any",
            "/live/whip/extension/s1/any",
        ] {
            for body in [&length, &chunked] {
                let (mut io, _) = proxy.plain.connect().await;
                let bytes = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{body}");
                io.write_all(bytes.as_bytes()).await.unwrap();
                let mut status = [0; 12];
                io.read_exact(&mut status).await.unwrap();
                let status = String::from_utf8_lossy(&status).into_owned();
                // GET and HEAD of a session are answered here.
                assert!(
                    ["HTTP/1.1 400", "HTTP/1.1 204"].contains(&&*status),
                    "{method} {target}: {status}"
                );
                assert!(seen_nothing(&deployment), "{method} {target}");
            }
        }
    }
    for expect in ["y 100-continue", "100-continue, x", "x", ""] {
        for client in [&proxy.plain, &proxy.h2] {
            let request = http::Request::post("/page").header("expect", expect);
            let reply = client.send(request.body(HIDDEN).unwrap()).await;
            assert_eq!(reply.status, 417, "{expect:?}");
            assert_eq!(reply.problem(), "expectation-failed");
        }
    }
    assert!(seen_nothing(&deployment));
}

/// `Expect: 100-continue` is answered here, in any spelling of its letters, and goes no further.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_before_it_sends_is_told_to_continue() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let (mut io, _) = proxy.plain.connect().await;
    let head = "POST /page HTTP/1.1\r\nHost: localhost\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n";
    io.write_all(head.as_bytes()).await.unwrap();
    let told = "HTTP/1.1 100 Continue\r\n\r\n";
    let mut answer = vec![0; told.len()];
    io.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), told);
    io.write_all(b"abc").await.unwrap();
    let mut status = [0; 12];
    io.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 404");
    let seen = deployment.cluster.seen().requests();
    let [request] = &*seen else {
        panic!("{seen:?}")
    };
    assert!(!request.headers.contains_key("expect"), "{request:?}");
}
