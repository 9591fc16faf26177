//! Bodies, byte for byte and piece by piece: what a node gets, what a client gets, and which side
//! is blamed if a body does not end.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};
use whipstitch_minicluster::{Action, Lie};
use whipstitch_tests::{
    Client, Deployment, Proxy, deployment::SOON, http::path_of, raw_node::RawNode,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_without_a_length_is_cut_at_the_limit_too() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let head = "POST /live/whip/endpoint/s1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("4000\r\n{}\r\n", "a".repeat(0x4000));
    let bytes = format!("{head}{}", chunk.repeat(5));
    assert_eq!(status(&proxy.h1, &bytes).await, "HTTP/1.1 413");
    // The proxy's limit: the node has one of its own.
    proxy
        .until_metric("whipstitch_problems_total{type=\"body-too-large\"}", 1.0)
        .await;
}

/// Sends these bytes by hand and reads the status of the answer.
async fn status(client: &Client, bytes: &str) -> String {
    let (mut io, _) = client.connect().await;
    io.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    let read = tokio::time::timeout(SOON, io.read_exact(&mut answer)).await;
    read.expect("an answer in time").unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_body_is_a_client_error_and_reaches_no_node() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.timeouts.connect = Duration::from_millis(100);
    config.timeouts.answer = Duration::from_millis(100);
    config.timeouts.body = Duration::from_millis(500);
    let proxy = deployment.proxy_with(config);
    let head = "POST /live/whip/endpoint/s1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n";
    let half = format!("{head}Content-Length: 100\r\n\r\nv=0");
    assert_eq!(status(&proxy.h1, &half).await, "HTTP/1.1 408");
    let broken = format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nv=0\r\nzz\r\n");
    assert_eq!(status(&proxy.h1, &broken).await, "HTTP/1.1 400");
    assert_eq!(
        proxy
            .h1
            .bare("OPTIONS", "/live/whip/endpoint/s1")
            .await
            .status,
        200
    );
    assert_eq!(
        deployment
            .cluster
            .seen()
            .lookups(Action::Broadcast, "live", "s1"),
        1,
        "one for the OPTIONS: no node is looked up for an offer that is not whole"
    );
}

/// A raw node at the address that the manager names.
async fn raw_node(last: u8) -> (Deployment, RawNode, Proxy) {
    let (deployment, node) = (Deployment::start().await, RawNode::start(last).await);
    deployment
        .cluster
        .manager()
        .lie(Lie::ServerAddress(node.addr().ip().to_string()));
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![node.addr().ip().into()];
    let proxy = deployment.proxy_with(config);
    (deployment, node, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_forwarded_byte_for_byte() {
    let (_deployment, node, proxy) = raw_node(5).await;
    let odd: Vec<u8> = b"v=0\r\ns= \t\n\n\x00\xff\xfe\r\r\n".repeat(300);
    let mut answer =
        b"HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nETag: \"x\"\r\n".to_vec();
    answer.extend(
        format!(
            "Location: http://{}/live/whip/resource/s1?a=b\r\n",
            node.addr()
        )
        .as_bytes(),
    );
    answer.extend(format!("Content-Length: {}\r\n\r\n", odd.len()).as_bytes());
    answer.extend(&odd);
    let post = Request::post("/live/whip/endpoint/s1").header("content-type", "application/sdp");
    let post = proxy.h2.send(post.body(odd.clone()).unwrap());
    let (reply, (head, body)) = tokio::join!(post, node.answer(odd.len(), &answer));
    assert!(body == odd);
    assert!(reply.body[..] == odd[..]);
    assert!(
        head.contains(&format!("content-length: {}", odd.len())),
        "{head}"
    );
    assert_eq!(
        (reply.status.as_u16(), reply.header("etag")),
        (201, "\"x\"")
    );

    let session = path_of(reply.header("location"));
    let session = format!("{session}?token=%20");
    let delete = proxy.h1.bare("DELETE", &session);
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (reply, (head, _)) = tokio::join!(delete, node.answer(0, ok));
    assert_eq!(reply.status, 200);
    assert!(
        head.starts_with("DELETE /live/whip/resource/s1?a=b&token=%20 HTTP/1.1"),
        "{head}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_of_a_node_is_not_followed() {
    let (_deployment, node, proxy) = raw_node(6).await;
    let answer = b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n\
        Location: http://10.9.9.9:5080/live/whip/endpoint/s1\r\n\r\n";
    let post = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0");
    let (reply, _) = tokio::join!(post, node.answer(3, answer));
    assert_eq!(
        (reply.status.as_u16(), &*reply.problem()),
        (502, "node-answer")
    );
    assert!(!reply.headers.contains_key("location"));
    assert!(!reply.text().contains("9.9.9"));
}

/// libcurl treats the reset of an HTTP/2 stream whose body was not read as a failure, and shows no
/// answer.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_sent_only_after_the_request_was_read() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for target in [
        "/live/whip/endpoint/a%00",
        "/live/whep/endpoint/missing",
        "/live/whip/resource/s1/x",
    ] {
        let (pieces, upload) = mpsc::channel(1);
        let mut answer = pin!(proxy.h2.upload(target, upload));
        let early = tokio::time::timeout(Duration::from_millis(300), &mut answer).await;
        assert!(early.is_err(), "{target}: {early:?}");
        pieces.send(Bytes::from_static(b"v=0")).await.unwrap();
        drop(pieces);
        assert!(answer.await.is_client_error(), "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_still_answered() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let (_pieces, upload) = mpsc::channel(1);
    let answer = proxy.h2.upload("/live/whip/endpoint/a%00", upload);
    assert_eq!(tokio::time::timeout(SOON, answer).await.unwrap(), 400);
}
