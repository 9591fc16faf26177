//! A failed handshake is reported, and nothing of it reaches the manager or a node: its query holds
//! host, application and token.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whipstitch_signaling::Api;
use whipstitch_tests::{Client, Deployment, Proxy, deployment::SOON, websocket::KEY};

/// What a client sends over a plain connection, and the status and body that come back.
async fn handshake(client: &Client, request: &str) -> (u16, Value) {
    let (mut io, _) = client.connect().await;
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, io.read_to_end(&mut answer)).await;
    read.expect("an end in time").unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{request}: {answer}"));
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (
        status,
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{request}: {answer}")),
    )
}

/// The ways in which a proxy in between breaks a handshake, and a word of the error.
fn failed(url: &str) -> Vec<(String, &'static str)> {
    let version = "Sec-WebSocket-Version: 13\r\n";
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    let upgrade = "Upgrade: websocket\r\n";
    let ask = |line: &str, fields: &[&str]| {
        let fields = fields.concat();
        format!("{line}\r\nHost: localhost\r\n{fields}\r\n")
    };
    let (one, zero) = (format!("GET {url} HTTP/1.1"), format!("GET {url} HTTP/1.0"));
    let post = format!("POST {url} HTTP/1.1");
    let (close, upgrading) = ("Connection: close\r\n", "Connection: Upgrade, close\r\n");
    vec![
        (
            ask(&zero, &[close, version, &key]),
            "proxy_http_version 1.1",
        ),
        (
            ask(&zero, &[upgrading, upgrade, version, &key]),
            "proxy_http_version 1.1",
        ),
        (ask(&one, &[close, version, &key]), "$http_upgrade"),
        (
            ask(&one, &[close, upgrade, version, &key]),
            "Connection: upgrade",
        ),
        (
            ask(&one, &[upgrading, upgrade, &key]),
            "Sec-WebSocket-Version must be 13",
        ),
        (
            ask(
                &one,
                &[upgrading, upgrade, "Sec-WebSocket-Version: 8\r\n", &key],
            ),
            "Sec-WebSocket-Version must be 13",
        ),
        (
            ask(&one, &[upgrading, upgrade, version]),
            "Sec-WebSocket-Key must be 16 bytes",
        ),
        (
            ask(
                &one,
                &[upgrading, upgrade, version, "Sec-WebSocket-Key: abc\r\n"],
            ),
            "Sec-WebSocket-Key must be 16 bytes",
        ),
        (
            ask(&one, &[upgrading, upgrade, version, &key, &key]),
            "Sec-WebSocket-Key must be 16 bytes",
        ),
        (
            ask(
                &post,
                &[upgrading, upgrade, version, &key, "Content-Length: 0\r\n"],
            ),
            "opened with GET",
        ),
        (
            ask(
                &one,
                &[upgrading, upgrade, version, &key, "Content-Length: 1\r\n"],
            ) + "x",
            "no body",
        ),
    ]
}

/// A request whose URL alone suggests a WebSocket.
fn no_sign(url: &str) -> Vec<(String, &'static str)> {
    ["GET", "HEAD", "POST", "PUT", "OPTIONS"]
        .iter()
        .filter(|method| **method != "HEAD")
        .map(|method| {
            let request = format!("{method} {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            (request, "$http_upgrade")
        })
        .collect()
}

async fn none_passes(deployment: &Deployment, proxy: &Proxy, cases: Vec<(String, &'static str)>) {
    for (request, word) in cases {
        let (status, problem) = handshake(&proxy.plain, &request).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(matches!(status, 400 | 426), "{request}: {status} {detail}");
        assert!(detail.contains(word), "{request}: {status} {detail}");
        assert_eq!(
            problem["type"], "urn:whipstitch:problem:bad-handshake",
            "{request}"
        );
    }
    let seen = deployment.cluster.seen().requests();
    assert!(seen.is_empty(), "nothing of it is passed on: {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upgrade_is_named_and_never_reaches_the_manager() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let query = "?id=s1&host=127.0.0.1&app=live&token=secret";
    for url in [
        format!("/streammanager/{query}"),
        format!("/streammanager{query}"),
    ] {
        let cases = [failed(&url), no_sign(&url)].concat();
        none_passes(&deployment, &proxy, cases).await;
    }
    // URLs that an SDK opens at a node, and other paths: only the fields show what was meant.
    for url in [
        "/live/?id=s1&token=secret",
        "/as/v1/proxy/ws/publish/live/s1?token=secret",
        "/",
    ] {
        none_passes(&deployment, &proxy, failed(url)).await;
    }
    // The manager's own page is its own.
    assert_ne!(proxy.plain.get("/streammanager/").await.status, 400);
    assert_eq!(deployment.cluster.seen().requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upgrade_of_2_0_is_named_and_never_reaches_the_manager() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.stream_manager.api = Api::V2;
    let proxy = deployment.proxy_with(config);
    let url = "/as/v1/proxy/ws/publish/live/s1?token=secret";
    let cases = [failed(url), no_sign(url)].concat();
    none_passes(&deployment, &proxy, cases).await;
    let url = "/streammanager/?id=s1&host=127.0.0.1&app=live&token=secret";
    none_passes(&deployment, &proxy, [failed(url), no_sign(url)].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upgrade_over_http2_is_named() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let request = http::Request::get("/streammanager/?host=127.0.0.1&app=live&token=secret")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", KEY);
    let refused = proxy.h2.send(request.body("").unwrap()).await;
    assert_eq!(
        (refused.status.as_u16(), &*refused.problem()),
        (400, "bad-handshake")
    );
    assert!(
        refused.text().contains("extended CONNECT"),
        "{}",
        refused.text()
    );
    assert!(deployment.cluster.seen().requests().is_empty());
}
