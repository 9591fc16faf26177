//! Queries that pages send to Red5's WebSocket proxy, and browsers that give up on a slow socket.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use whipstitch::config::Config;
use whipstitch_tests::{
    Client, Deployment,
    deployment::SOON,
    raw_node::{RawNode, read_head},
    websocket::{KEY, raw},
};

/// A proxy with a raw socket as its only node.
async fn with_raw_node(last: u8) -> (Deployment, RawNode, Config) {
    let (deployment, node) = (Deployment::start().await, RawNode::start(last).await);
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![node.addr().ip().into()];
    (deployment, node, config)
}

/// Each with the query that the node gets (red5pro-webrtc-sdk 11.0.0: `id` first, then
/// `connectionParams` in their order; Red5 Pro documentation, Stream Manager proxy, for `context`
/// and `usePrivateProxy`).
#[tokio::test(flavor = "multi_thread")]
async fn queries_as_pages_write_them_are_understood() {
    let (deployment, node, config) = with_raw_node(10).await;
    let proxy = deployment.proxy_with(config);
    for (query, expected) in [
        ("id=s1&host=H&app=live&context=room1", "/live/room1/?id=s1"),
        (
            "id=s1&host=H&app=live%2Froom1&context=",
            "/live/room1/?id=s1",
        ),
        (
            "id=s1&host=H&app=live%2Froom1&context=a%2Fb",
            "/live/room1/a/b/?id=s1",
        ),
        ("id=s1&host=H&app=%2Flive", "/live/?id=s1"),
        (
            "id=subscriber-1b31&usePrivateProxy=true&token=a%20b=c&host=H&app=live",
            "/live/?id=subscriber-1b31&token=a%20b=c",
        ),
        (
            "id=s1&usePrivateProxy=false&host=H&app=live",
            "/live/?id=s1",
        ),
        // The whole answer to a lookup in `connectionParams`.
        (
            "id=s1&serverAddress=10.0.0.9&scope=%2Flive&name=s1&params=[object%20Object]&host=H&app=live",
            "/live/?id=s1&serverAddress=10.0.0.9&scope=%2Flive&name=s1&params=[object%20Object]",
        ),
        // `connectionParams.id` follows the SDK's own.
        ("id=s1&id=mine&host=H&app=live", "/live/?id=s1&id=mine"),
        (
            "id=sharedobject-1b31&capabilities=2&host=H&app=live",
            "/live/?id=sharedobject-1b31&capabilities=2",
        ),
    ] {
        let host = node.addr().ip().to_string();
        let target = format!(
            "/streammanager/?{}",
            query.replace("host=H", &format!("host={host}"))
        );
        let both = async { tokio::join!(raw(&proxy.h1, &target, ""), node.accept("")) };
        let ((answer, _), (asked, _)) = timeout(SOON, both).await.expect(query);
        assert!(answer.starts_with("HTTP/1.1 101"), "{query}: {answer}");
        let expected = format!("GET {expected} HTTP/1.1");
        assert_eq!(asked.lines().next(), Some(&*expected), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meaningless_query_is_refused_with_a_reason() {
    let (deployment, node, config) = with_raw_node(11).await;
    let proxy = deployment.proxy_with(config);
    let host = node.addr().ip();
    for (query, words) in [
        (
            "id=s1&host=undefined&app=undefined".to_owned(),
            "serverAddress",
        ),
        ("id=s1&host=null&app=live".to_owned(), "serverAddress"),
        ("id=s1&app=live".to_owned(), "`host` is required"),
        (
            format!("id=s1&host={host}&host={host}&app=live"),
            "`host` must be there only once",
        ),
        (format!("id=s1&host={host}"), "`app` is required"),
        (
            format!("id=s1&host={host}&app=live&app=live"),
            "`app` must be there only once",
        ),
        (
            format!("id=s1&host={host}&app=live%2"),
            "`app` has a broken percent-escape",
        ),
        (
            format!("id=s1&host={host}&app=live&context=.."),
            "`app` is not a scope",
        ),
        (
            format!("id=s1&host={host}&app=live&context=a&context=b"),
            "`context` must be there only once",
        ),
    ] {
        let (status, problem) = refused(&proxy.h1, &query).await;
        assert_eq!(status, 400, "{query}");
        assert!(problem.contains("bad-query"), "{query}: {problem}");
        assert!(problem.contains(words), "{query}: {problem}");
    }
    assert!(node.unconnected());
}

/// The status and the body of the answer to a handshake.
async fn refused(client: &Client, query: &str) -> (u16, String) {
    let (head, mut io) = raw(client, &format!("/streammanager/?{query}"), "").await;
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let mut body = vec![0; field("content-length: ").unwrap().parse().unwrap()];
    io.read_exact(&mut body).await.unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, String::from_utf8(body).unwrap())
}

/// Firefox gives up on a socket that is still connecting after two seconds and opens another with
/// the same `id` (red5pro-webrtc-sdk 11.0.0). The first socket costs nothing, not even a permit of
/// `limits.sockets`.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_given_up_before_the_node_answered_costs_the_next_one_nothing() {
    let (deployment, node, mut config) = with_raw_node(12).await;
    config.limits.sockets = 1;
    let proxy = deployment.proxy_with(config);
    let target = format!("/streammanager/?id=s1&host={}&app=live", node.addr().ip());
    let handshake = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    let (mut orphan, _) = proxy.h1.connect().await;
    orphan.write_all(handshake.as_bytes()).await.unwrap();
    let mut thinking = node.accept_silently().await;
    read_head(&mut thinking).await;
    drop(orphan);
    // The connection to the node is closed at once.
    let mut rest = Vec::new();
    let closed = timeout(SOON, thinking.read_to_end(&mut rest)).await;
    assert!(closed.is_ok());
    assert!(rest.is_empty());
    proxy.until_metric("whipstitch_sockets_open", 0.0).await;

    let ((answer, mut client), (_, mut node)) =
        tokio::join!(raw(&proxy.h1, &target, ""), node.accept(""));
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    node.write_all(b"\x81\x02ok").await.unwrap();
    let mut frame = [0; 4];
    client.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x02ok");
}
