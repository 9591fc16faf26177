//! Which answers of a node leave an orphan, and how it is deleted: at that node, with the session's
//! credentials, again while the node is unavailable, and not while a newer `POST` is pending.

use std::time::Duration;

use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use whipstitch_minicluster::Lie;
use whipstitch_tests::{
    Deployment, Proxy,
    raw_node::{RawNode, read_head},
};

use crate::orphans::{outcome, post};

/// How long no DELETE comes that must not come.
const QUIET: Duration = Duration::from_millis(750);

/// A proxy with this node only.
async fn in_front_of(node: &RawNode) -> (Deployment, Proxy) {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![node.addr().ip().into()];
    let lie = Lie::ServerAddress(node.addr().ip().to_string());
    deployment.cluster.manager().lie(lie);
    let proxy = deployment.proxy_with(config);
    (deployment, proxy)
}

const ENDED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_an_unusable_answer_is_deleted_at_its_node_and_nowhere_else() {
    let node = RawNode::start(21).await;
    let elsewhere = RawNode::start(22).await;
    let (_deployment, proxy) = in_front_of(&node).await;
    let foreign = format!("http://{}/live/whep/resource/s2", elsewhere.addr());
    for (location, place) in [
        // The path counts, at the node that was asked.
        (&*foreign, "/live/whep/resource/s2?requestId=a"),
        ("/a/session", "/a/session?requestId=a"),
        ("ftp://x/y", "/live/whep/resource/s1?requestId=a"),
    ] {
        // The description breaks off.
        let created = format!(
            "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nLocation: {location}\r\n\
             Connection: close\r\nContent-Length: 99\r\n\r\nv=0"
        );
        let target = "/live/whep/endpoint/s1?requestId=a";
        let request = post(target, "v=0");
        let (mut parts, body) = request.into_parts();
        let bearer = "Bearer secret".parse().unwrap();
        parts.headers.insert("authorization", bearer);
        let request = Request::from_parts(parts, body);
        let node = async {
            node.answer(3, created.as_bytes()).await;
            node.answer(0, ENDED).await.0
        };
        let (refusal, deleted) = tokio::join!(proxy.h1.send(request), node);
        assert_eq!(
            (refusal.status.as_u16(), &*refusal.problem()),
            (502, "node-answer")
        );
        assert!(
            deleted.starts_with(&format!("DELETE {place} HTTP/1.1\r\n")),
            "{deleted}"
        );
        assert!(
            deleted.contains("authorization: Bearer secret"),
            "{deleted}"
        );
        assert!(
            deleted.contains(refusal.header("x-request-id")),
            "{deleted}"
        );
    }
    proxy.until_metric(&outcome("deleted"), 3.0).await;
    assert!(elsewhere.unconnected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_answer_is_no_session() {
    let node = RawNode::start(23).await;
    let (_deployment, proxy) = in_front_of(&node).await;
    let half =
        b"HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: 9\r\n\r\nv=0";
    let node = async {
        node.answer(3, half).await;
        node.answer(0, ENDED).await.0
    };
    let client = async {
        let (mut io, _) = proxy.plain.connect().await;
        let request = "POST /live/whip/endpoint/s1 HTTP/1.1\r\nHost: a\r\n\
             Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0";
        io.write_all(request.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        let _ = io.read_to_end(&mut got).await;
    };
    let (deleted, ()) = tokio::join!(node, client);
    assert!(
        deleted.starts_with("DELETE /live/whip/resource/s1 HTTP/1.1\r\n"),
        "{deleted}"
    );
    proxy.until_metric(&outcome("deleted"), 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_is_retried_while_the_node_is_unavailable() {
    let node = RawNode::start(24).await;
    let (_deployment, proxy) = in_front_of(&node).await;
    let broken = b"HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nConnection: close\r\n\
        Content-Length: 99\r\n\r\nv=0";
    let node = async {
        node.answer(3, broken).await;
        let unable = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n";
        node.answer(0, unable).await;
        node.answer(0, b"HTTP/1.1 417 Gone\r\nContent-Length: 0\r\n\r\n")
            .await;
    };
    let target = "/live/whep/endpoint/s1?requestId=a";
    let (refusal, ()) = tokio::join!(proxy.h1.sdp("POST", target, "v=0"), node);
    assert_eq!(refusal.status, 502);
    proxy.until_metric(&outcome("gone"), 1.0).await;
}

/// Two players with one `requestId`, as a page creates them that gives up and retries: the client
/// hangs up while the node has the first POST, which it answers while the second is pending.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_retries_at_once_keeps_its_session() {
    const CREATED: &[u8] =
        b"HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0";
    let node = RawNode::start(25).await;
    let (_deployment, proxy) = in_front_of(&node).await;
    let target = "/live/whep/endpoint/s1?requestId=a";
    let asked = async || {
        let mut socket = node.accept_silently().await;
        read_head(&mut socket).await;
        let mut offer = [0; 3];
        socket.read_exact(&mut offer).await.unwrap();
        socket
    };
    let mut connection = proxy.h1.keep().await;
    let answer = connection.begin(post(target, "v=0")).await;
    let first = asked().await;
    let (second, again) = (asked(), proxy.h2.sdp("POST", target, "v=0"));
    let between = async {
        let (mut first, mut second) = (first, second.await);
        drop((answer, connection));
        proxy
            .until_metric("whipstitch_requests_in_flight", 1.0)
            .await;
        first.write_all(CREATED).await.unwrap();
        // A DELETE would use the connection of the first POST, which is idle now, or a new one.
        let mut byte = [0];
        let deleted = timeout(QUIET, first.read(&mut byte)).await;
        assert!(deleted.is_err(), "{deleted:?}");
        assert!(node.unconnected(), "{deleted:?}");
        second.write_all(CREATED).await.unwrap();
        (first, second)
    };
    let (created, _connections) = tokio::join!(again, between);
    assert_eq!(created.status, 201, "{}", created.text());
    proxy.until_metric(&outcome("replaced"), 1.0).await;
    proxy.until_metric(&outcome("deleted"), 0.0).await;
}
