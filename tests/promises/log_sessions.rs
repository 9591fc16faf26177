//! Each session has one line when it is over, with the id of the request that opened it, which
//! names who ended it and why.

use http::Request;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use whipstitch_tests::{
    Deployment, Proxy,
    deployment::SOON,
    http::{Io, path_of},
    log,
    raw_node::RawNode,
    websocket,
};

/// A proxy whose only node is a socket at this address.
async fn before(last: u8) -> (Deployment, Proxy, RawNode) {
    let (deployment, raw) = (Deployment::start().await, RawNode::start(last).await);
    let mut config = deployment.config();
    config.nodes.port = raw.addr().port();
    config.nodes.allow = vec!["127.0.0.0/8".parse().unwrap()];
    let proxy = deployment.proxy_with(config);
    (deployment, proxy, raw)
}

/// A WebSocket from a client to the node, both ends of it.
async fn socket(proxy: &Proxy, node: &RawNode, id: &str) -> (Box<dyn Io>, TcpStream) {
    let target = format!(
        "/streammanager/?id=s1&host={}&app=live&token=hunter2",
        node.addr().ip()
    );
    let more = format!("X-Request-Id: {id}\r\n");
    let ((head, client), (_, node)) =
        tokio::join!(websocket::raw(&proxy.h1, &target, &more), node.accept(""));
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    (client, node)
}

/// Reads to the end.
async fn rest(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut read = Vec::new();
    let all = tokio::time::timeout(SOON, from.read_to_end(&mut read)).await;
    let _ = all.expect("an end in time");
    read
}

async fn post(proxy: &Proxy, target: &str) -> Value {
    let request = Request::post(target).header("content-type", "application/json");
    let reply = proxy.admin.send(request.body("{}").unwrap()).await;
    assert!(reply.status.is_success(), "{}", reply.text());
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

/// The line of the session that this request opened; it is the only one, and holds no secret.
async fn over(id: &str) -> (String, String, Value) {
    let line = log::line("session", id).await;
    assert_eq!(line["client"], "127.0.0.1", "{line}");
    assert!(line["age_ms"].is_u64(), "{line}");
    assert!(!line.to_string().contains("hunter2"), "{line}");
    let text = |name: &str| line[name].as_str().unwrap().to_owned();
    (text("ended_by"), text("reason"), line.clone())
}

fn ended_by(line: &(String, String, Value)) -> (&str, &str) {
    (&line.0, &line.1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_says_who_ended_it_and_with_which_code() {
    log::capture();
    let (_deployment, proxy, node) = before(51).await;

    let (mut client, mut at_node) = socket(&proxy, &node, "log-ws-client").await;
    // A text frame and a Close with 4001, masked with zeros.
    let frames = [
        0x81, 0x82, 0, 0, 0, 0, b'h', b'i', 0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa1,
    ];
    client.write_all(&frames).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut at_node).await, frames);
    at_node.write_all(&[0x88, 0x00]).await.unwrap();
    drop(at_node);
    let line = over("log-ws-client").await;
    assert_eq!(ended_by(&line), ("client", "close"));
    let (_, _, line) = line;
    assert_eq!(
        (&line["close_code"], &line["received"], &line["sent"]),
        (&4001.into(), &16.into(), &2.into())
    );
    assert_eq!(
        (&line["kind"], &line["scope"]),
        (&"socket".into(), &"live".into())
    );
    assert_eq!(line["node"], node.addr().to_string());

    let (mut client, mut at_node) = socket(&proxy, &node, "log-ws-node").await;
    at_node.write_all(&[0x88, 0x02, 0x03, 0xe9]).await.unwrap();
    drop(at_node);
    assert_eq!(rest(&mut client).await, [0x88, 0x02, 0x03, 0xe9]);
    drop(client);
    let line = over("log-ws-node").await;
    assert_eq!(
        (ended_by(&line), &line.2["close_code"]),
        (("node", "close"), &1001.into())
    );

    let (client, at_node) = socket(&proxy, &node, "log-ws-client-lost").await;
    drop(client);
    let line = over("log-ws-client-lost").await;
    assert_eq!(
        (ended_by(&line), &line.2["close_code"]),
        (("client", "lost"), &Value::Null)
    );
    drop(at_node);

    let (client, at_node) = socket(&proxy, &node, "log-ws-node-lost").await;
    drop(at_node);
    assert_eq!(ended_by(&over("log-ws-node-lost").await), ("node", "lost"));
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_an_operator_ended_is_logged_differently_from_a_drained_one() {
    log::capture();
    let (_deployment, proxy, node) = before(52).await;
    let (client, at_node) = socket(&proxy, &node, "log-ws-operator").await;
    let (stays, stays_too) = socket(&proxy, &node, "log-ws-drain").await;
    let all = proxy.admin.get("/sessions").await;
    let all: Value = serde_json::from_slice(&all.body).unwrap();
    // The oldest is first.
    let id = all["sessions"][0]["id"].as_str().unwrap();
    post(&proxy, &format!("/sessions/{id}/end")).await;
    drop((client, at_node));
    let line = over("log-ws-operator").await;
    assert_eq!(
        (ended_by(&line), &line.2["session"]),
        (("proxy", "operator"), &id.into())
    );
    drop_when_closed(proxy, stays, stays_too).await;
    assert_eq!(ended_by(&over("log-ws-drain").await), ("proxy", "drain"));
}

/// Drains, and hangs up at both ends after the Close.
async fn drop_when_closed(proxy: Proxy, mut client: Box<dyn Io>, mut node: TcpStream) {
    let ends = async {
        assert_eq!(client.read_u8().await.unwrap(), 0x88);
        assert_eq!(node.read_u8().await.unwrap(), 0x88);
        drop((client, node));
    };
    tokio::join!(proxy.drain(), ends);
}

/// Publishes at the node, which accepts; returns the path of the session.
async fn publish(proxy: &Proxy, node: &RawNode, id: &str, stream: &str) -> String {
    let target = format!(
        "/live/whip/endpoint/{stream}?host={}&token=hunter2",
        node.addr().ip()
    );
    let request = Request::post(&target).header("x-request-id", id);
    let request = request.header("content-type", "application/sdp");
    let yes = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\
         Location: /live/whip/resource/{stream}\r\nConnection: close\r\n\r\nv=0\r\n"
    );
    let (created, _) = tokio::join!(
        proxy.h2.send(request.body("v=0\r\n").unwrap()),
        node.answer(5, yes.as_bytes())
    );
    assert_eq!(created.status, 201, "{}", created.text());
    path_of(created.header("location"))
}

/// Sends a request to a session; the node answers with this status.
async fn ask(proxy: &Proxy, node: &RawNode, method: &str, session: &str, status: u16) {
    let answer =
        format!("HTTP/1.1 {status} Word\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let request = Request::builder().method(method).uri(session);
    let request = request.header("content-type", "application/trickle-ice-sdpfrag");
    let (reply, _) = tokio::join!(
        proxy.h1.send(request.body("").unwrap()),
        node.answer(0, answer.as_bytes())
    );
    assert_eq!(reply.status.as_u16(), status);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whip_session_says_how_it_ended() {
    log::capture();
    let (_deployment, proxy, node) = before(53).await;

    let session = publish(&proxy, &node, "log-whip-deleted", "a").await;
    ask(&proxy, &node, "PATCH", &session, 204).await;
    assert!(log::lines("session", "log-whip-deleted").is_empty());
    ask(&proxy, &node, "DELETE", &session, 200).await;
    let line = over("log-whip-deleted").await;
    assert_eq!(ended_by(&line), ("client", "deleted"));
    let (_, _, line) = line;
    assert_eq!(
        (&line["kind"], &line["stream"]),
        (&"whip".into(), &"live/a".into())
    );
    assert!(line["received"].is_null(), "{line}");
    assert!(line["sent"].is_null(), "{line}");
    assert!(
        !line
            .to_string()
            .contains(session.rsplit('/').next().unwrap())
    );

    for (method, status, id) in [
        ("DELETE", 404, "log-whip-gone-1"),
        ("PATCH", 404, "log-whip-gone-2"),
        ("PATCH", 410, "log-whip-gone-3"),
    ] {
        let session = publish(&proxy, &node, id, &format!("b{status}{method}")).await;
        ask(&proxy, &node, method, &session, status).await;
        assert_eq!(ended_by(&over(id).await), ("node", "gone"));
    }

    publish(&proxy, &node, "log-whip-replaced", "c").await;
    publish(&proxy, &node, "log-whip-operator", "c").await;
    assert_eq!(
        ended_by(&over("log-whip-replaced").await),
        ("client", "replaced")
    );
    let all = proxy.admin.get("/sessions").await;
    let all: Value = serde_json::from_slice(&all.body).unwrap();
    let id = all["sessions"][0]["id"].as_str().unwrap();
    let yes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let end = format!("/sessions/{id}/end");
    let (_, (head, _)) = tokio::join!(post(&proxy, &end), node.answer(0, yes));
    assert!(head.starts_with("DELETE "), "{head}");
    assert_eq!(
        ended_by(&over("log-whip-operator").await),
        ("proxy", "operator")
    );
}
