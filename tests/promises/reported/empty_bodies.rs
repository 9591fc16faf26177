//! Whether a message has a body depends on what arrives, never on how it is framed.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request};
use http_body_util::StreamBody;
use hyper::{body::Frame, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use whipstitch_minicluster::Lie;
use whipstitch_tests::{
    Client, Deployment, Proxy,
    deployment::SOON,
    http::path_of,
    raw_node::{RawNode, read_head},
    stub_node::StubNode,
};

/// The framings of an empty body in HTTP/1.1: header lines, and the bytes after them.
const H1: [(&str, &str); 5] = [
    ("", ""),
    ("Content-Length: 0\r\n", ""),
    ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    (
        "Transfer-Encoding: chunked\r\nTrailer: x\r\n",
        "0\r\nX: y\r\n\r\n",
    ),
    ("Transfer-Encoding: Chunked\r\n", "000;ext=1\r\n\r\n"),
];

/// The framings of an empty body in HTTP/2: frames after the header, and whether a length is
/// announced.
fn h2() -> [(Vec<Frame<Bytes>>, bool); 5] {
    let empty = || Frame::data(Bytes::new());
    let trailers = || {
        Frame::trailers(HeaderMap::from_iter([(
            "x".parse().unwrap(),
            "y".parse().unwrap(),
        )]))
    };
    [
        (vec![], false),
        (vec![], true),
        (vec![empty()], false),
        (vec![empty(), empty()], true),
        (vec![trailers()], false),
    ]
}

const SDP: (&str, &str) = ("content-type", "application/sdp");

/// The status of the answer to a raw HTTP/1.1 request.
async fn over_h1(client: &Client, line: &str, media: bool, (framing, body): (&str, &str)) -> u16 {
    let (mut io, _) = client.connect().await;
    let media = if media {
        "Content-Type: application/sdp\r\n"
    } else {
        ""
    };
    let request = format!("{line} HTTP/1.1\r\nHost: a\r\n{media}{framing}\r\n{body}");
    io.write_all(request.as_bytes()).await.unwrap();
    let head = timeout(SOON, read_head(&mut io))
        .await
        .expect("an answer in time");
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The same over HTTP/2, in these frames.
async fn over_h2(
    client: &Client,
    line: &str,
    media: bool,
    (frames, length): (Vec<Frame<Bytes>>, bool),
) -> u16 {
    let (method, target) = line.split_once(' ').unwrap();
    let (io, is_h2) = client.connect().await;
    assert!(is_h2);
    let mut request = Request::builder()
        .method(method)
        .uri(format!("https://localhost{target}"));
    if media {
        request = request.header(SDP.0, SDP.1);
    }
    if length {
        request = request.header("content-length", "0");
    }
    let frames = StreamBody::new(stream::iter(frames.into_iter().map(Ok::<_, Infallible>)));
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(io));
    let (mut send, connection) = handshake.await.unwrap();
    let answer = send.send_request(request.body(frames).unwrap());
    tokio::select! {
        answer = timeout(SOON, answer) => answer.expect("an answer in time").unwrap().status().as_u16(),
        _ = connection => panic!("the connection ended"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_ways_to_say_no_body_mean_the_same_in_both_versions() {
    let deployment = Deployment::start().await;
    let node = StubNode::start(41).await;
    let proxy = node.proxy(&deployment);
    for (line, media, status) in [
        ("POST /live/whep/endpoint/s1", false, 201),
        ("POST /live/whep/endpoint/s1", true, 201),
        ("POST /live/whip/endpoint/s1", false, 415),
        ("POST /live/whip/endpoint/s1", true, 201),
        ("OPTIONS /live/whip/endpoint/s1", false, 200),
        ("GET /live/whip/endpoint/s1", false, 204),
        ("PATCH /live/whip/resource/s1/x", false, 415),
        ("PATCH /live/whip/resource/s1/x", true, 404),
        ("DELETE /live/whip/resource/s1/x", false, 404),
    ] {
        for framing in H1 {
            let got = over_h1(&proxy.plain, line, media, framing).await;
            assert_eq!(got, status, "{line} {media} {framing:?}");
        }
        for (at, frames) in h2().into_iter().enumerate() {
            let got = over_h2(&proxy.h2, line, media, frames).await;
            assert_eq!(got, status, "{line} {media} {at}");
        }
    }
    // A body is one, however it is framed.
    let chunked = ("Transfer-Encoding: chunked\r\n", "3\r\nv=0\r\n0\r\n\r\n");
    let whep = "POST /live/whep/endpoint/s1";
    assert_eq!(over_h1(&proxy.plain, whep, false, chunked).await, 415);
    assert_eq!(over_h1(&proxy.plain, whep, true, chunked).await, 201);
    let frames = vec![
        Frame::data(Bytes::new()),
        Frame::data(Bytes::from_static(b"v=0")),
    ];
    assert_eq!(over_h2(&proxy.h2, whep, false, (frames, false)).await, 415);
}

/// A proxy with this node only.
async fn in_front_of(node: &RawNode) -> (Deployment, Proxy) {
    let deployment = Deployment::start().await;
    let here = node.addr().ip();
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![here.into()];
    config.limits.in_flight = 1;
    deployment
        .cluster
        .manager()
        .lie(Lie::ServerAddress(here.to_string()));
    let proxy = deployment.proxy_with(config);
    (deployment, proxy)
}

const CREATED: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_always_gets_the_same_form_of_no_body() {
    let node = RawNode::start(42).await;
    let (_deployment, proxy) = in_front_of(&node).await;
    for framing in H1 {
        let post = over_h1(&proxy.plain, "POST /live/whep/endpoint/s1", false, framing);
        let (status, (head, _)) = tokio::join!(post, node.answer(0, CREATED));
        assert_eq!(status, 201);
        assert!(head.contains("content-length: 0"), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
    let chunked = (
        "Transfer-Encoding: chunked\r\n",
        "1\r\nv\r\n2\r\n=0\r\n0\r\n\r\n",
    );
    let post = over_h1(&proxy.plain, "POST /live/whip/endpoint/s1", true, chunked);
    let (status, (head, body)) = tokio::join!(post, node.answer(3, CREATED));
    assert_eq!((status, &*body), (201, &b"v=0"[..]));
    assert!(head.contains("content-length: 3"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_with_an_empty_chunked_body_is_an_upgrade() {
    let node = RawNode::start(43).await;
    let (_deployment, proxy) = in_front_of(&node).await;
    let head = format!(
        "GET /streammanager/?id=s1&host={}&app=live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        node.addr().ip()
    );
    // A masked frame that comes with the request is the first of the session.
    let frame = [0x82, 0x81, 1, 2, 3, 4, 5];
    for (framing, body) in H1 {
        let (mut io, _) = proxy.plain.connect().await;
        let mut request = format!("{head}{framing}\r\n{body}").into_bytes();
        request.extend(frame);
        io.write_all(&request).await.unwrap();
        let (_, mut session) = timeout(SOON, node.accept(""))
            .await
            .expect("an upgrade in time");
        let answer = timeout(SOON, read_head(&mut io))
            .await
            .expect("an answer in time");
        assert!(answer.starts_with("HTTP/1.1 101"), "{framing:?}: {answer}");
        let mut got = [0; 7];
        timeout(SOON, session.read_exact(&mut got))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(got, frame, "{framing:?}");
    }
    for (framing, body) in [
        ("Content-Length: 3\r\n", "v=0"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nv=0\r\n0\r\n\r\n"),
    ] {
        let (mut io, _) = proxy.plain.connect().await;
        io.write_all(format!("{head}{framing}\r\n{body}").as_bytes())
            .await
            .unwrap();
        let answer = timeout(SOON, read_head(&mut io))
            .await
            .expect("an answer in time");
        assert!(answer.starts_with("HTTP/1.1 400"), "{framing:?}: {answer}");
    }
    assert!(node.unconnected());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_no_body_has_the_status_of_none() {
    let node = RawNode::start(44).await;
    let (_deployment, proxy) = in_front_of(&node).await;
    let post = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0");
    let (created, _) = tokio::join!(post, node.answer(3, CREATED));
    assert!(created.header("etag").contains("whipstitch"), "{created:?}");
    let session = path_of(created.header("location"));
    for framing in [
        "Content-Length: 0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
        // To the end of the connection.
        "Connection: close\r\n\r\n",
    ] {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/trickle-ice-sdpfrag\r\n{framing}"
        );
        let patch =
            Request::patch(&session).header("content-type", "application/trickle-ice-sdpfrag");
        let patch = proxy.h1.send(patch.body("a=x").unwrap());
        let (reply, _) = tokio::join!(patch, node.answer(3, answer.as_bytes()));
        assert_eq!(reply.status, 204, "{framing:?}");
        // No ICE restart, so the tag is still the first.
        assert_eq!(reply.header("etag"), "", "{framing:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_offer_blocks_no_other_client() {
    let node = RawNode::start(45).await;
    let (_deployment, proxy) = in_front_of(&node).await;
    let half = "POST /live/whip/endpoint/slow HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\n\
                Content-Length: 9\r\n\r\nv=0";
    let mut slow = Vec::new();
    for _ in 0..5 {
        let (mut io, _) = proxy.plain.connect().await;
        io.write_all(half.as_bytes()).await.unwrap();
        slow.push(io);
    }
    proxy
        .until_metric("whipstitch_requests_in_flight", 5.0)
        .await;
    let post = proxy.h2.sdp("POST", "/live/whip/endpoint/s1", "v=0");
    let (reply, _) = tokio::join!(post, node.answer(3, CREATED));
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert!(node.unconnected(), "no node gets an incomplete offer");
}
