//! Each exchange ends with one log line, which gives the reason in a word of
//! `deploy/reference/log.md`.

use http::Request;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use whipstitch_minicluster::{Config as ClusterConfig, Fault, NodeConfig, peer::Publisher};
use whipstitch_tests::{
    Client, Deployment, Proxy,
    http::path_of,
    log,
    raw_node::{RawNode, read_head},
};

const ENDPOINT: &str = "/live/whip/endpoint/s1";

fn request(method: &str, target: &str, id: &str) -> http::request::Builder {
    let request = Request::builder().method(method).uri(target);
    request.header("x-request-id", id)
}

/// The line of a request that is answered.
async fn ask(client: &Client, method: &str, target: &str, id: &str) -> Value {
    let request = request(method, target, id).header("content-type", "application/sdp");
    client.send(request.body("").unwrap()).await;
    log::line("access", id).await
}

fn status(line: &Value) -> (&str, u64) {
    (
        line["reason"].as_str().unwrap(),
        line["status"].as_u64().unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_names_who_answered() {
    log::capture();
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let manager = deployment.cluster.manager();
    for (client, name) in [(&proxy.h1, "h1"), (&proxy.h2, "h2")] {
        let id = |word: &str| format!("log-reason-{name}-{word}");
        let line = ask(client, "OPTIONS", ENDPOINT, &id("node")).await;
        assert_eq!(status(&line), ("node", 200));
        for (code, word) in [(403, "node-4xx"), (500, "node-5xx")] {
            for node in deployment.cluster.nodes() {
                node.fail(Fault::Status(code, "no".into())).await;
            }
            let line = ask(client, "OPTIONS", ENDPOINT, &id(word)).await;
            assert_eq!(status(&line), (word, code.into()));
        }
        for node in deployment.cluster.nodes() {
            node.heal().await;
        }
        let list = "/streammanager/api/4.0/event/list?accessToken=hunter2";
        for (code, word) in [(200, "manager"), (404, "manager-4xx"), (500, "manager-5xx")] {
            manager.fail(Fault::Status(code, "word".into())).await;
            let line = ask(client, "GET", list, &id(word)).await;
            assert_eq!(status(&line), (word, code.into()));
            assert!(!line.to_string().contains("hunter2"), "{line}");
            // hyper asks for no body of an answer to HEAD.
            let line = ask(client, "HEAD", list, &id(&format!("head-{word}"))).await;
            assert_eq!(status(&line), (word, code.into()));
        }
        manager.heal().await;
        let line = ask(client, "GET", ENDPOINT, &id("proxy")).await;
        assert_eq!(status(&line), ("proxy", 204));
        let asked = request("OPTIONS", ENDPOINT, &id("preflight"))
            .header("origin", "https://a.example")
            .header("access-control-request-method", "POST");
        client.send(asked.body("").unwrap()).await;
        let line = log::line("access", &id("preflight")).await;
        assert_eq!(status(&line), ("preflight", 204));
        let line = ask(
            client,
            "POST",
            "/live/whep/endpoint/missing",
            &id("problem"),
        )
        .await;
        assert_eq!(status(&line), ("not-live", 409));
        // Nor of a problem's.
        let line = ask(client, "HEAD", "/as/v1/proxy/forward/x", &id("refused")).await;
        assert_eq!(line["reason"], line["problem"], "{line}");
    }
}

/// A proxy between raw sockets: the Stream Manager, and the only node.
async fn before(last: u8) -> (Proxy, RawNode, RawNode) {
    let deployment = Deployment::start().await;
    let (manager, node) = (RawNode::start(last).await, RawNode::start(last + 1).await);
    let mut config = deployment.config();
    config.stream_manager.url = Some(format!("http://{}", manager.addr()));
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec!["127.0.0.0/8".parse().unwrap()];
    (deployment.proxy_with(config), manager, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_names_who_broke_an_answer_off() {
    log::capture();
    let (proxy, manager, node) = before(41).await;
    let half = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nhalf";
    let endpoint = format!("{ENDPOINT}?host={}", node.addr().ip());
    for (client, name) in [(&proxy.h1, "h1"), (&proxy.h2, "h2")] {
        for (method, target, from, reason) in [
            ("OPTIONS", &*endpoint, &node, "node-broke-off"),
            ("GET", "/", &manager, "manager-broke-off"),
        ] {
            let id = format!("log-broke-{name}-{reason}");
            let kept = client.keep().await;
            let asked = request(method, target, &id).body("").unwrap();
            // It stays until the end.
            let (_open, taken) = tokio::join!(kept.open(asked), from.answer(0, half));
            assert!(taken.0.starts_with(method), "{}", taken.0);
            let line = log::line("access", &id).await;
            assert_eq!(status(&line), (reason, 200), "{line}");
            assert!(!line["detail"].as_str().unwrap().is_empty(), "{line}");
            assert_eq!(line["sent"], 4, "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_says_when_the_client_left() {
    log::capture();
    let (proxy, raw, _) = before(43).await;
    for (client, name) in [(&proxy.h1, "h1"), (&proxy.h2, "h2")] {
        let id = format!("log-left-{name}-before");
        let mut kept = client.keep().await;
        let asked = request("GET", "/", &id).body("").unwrap();
        let answer = kept.begin(asked).await;
        let (gone, mut manager) = tokio::join!(
            async { tokio::time::timeout(SHORT, answer).await.is_err() },
            raw.accept_silently()
        );
        assert!(gone);
        read_head(&mut manager).await;
        drop(kept);
        let line = log::line("access", &id).await;
        assert_eq!(status(&line), ("client-left", 0));
        assert!(line["first_byte_us"].is_null(), "{line}");

        let id = format!("log-left-{name}-amid");
        let kept = client.keep().await;
        let asked = request("GET", "/", &id).body("").unwrap();
        let manager = async {
            let mut manager = raw.accept_silently().await;
            read_head(&mut manager).await;
            let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
            manager.write_all(half).await.unwrap();
            manager
        };
        let (mut open, _manager) = tokio::join!(kept.open(asked), manager);
        assert_eq!(open.next().await.unwrap(), "half");
        drop(open);
        let line = log::line("access", &id).await;
        assert_eq!(status(&line), ("client-broke-off", 200));
    }
}

/// How long a client waits that leaves before the answer.
const SHORT: std::time::Duration = std::time::Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn the_line_names_what_a_shutdown_cut_off() {
    log::capture();
    let deployment = Deployment::with(ClusterConfig {
        nodes: vec![NodeConfig::new([127, 0, 0, 2].into())],
        extensions: true,
        ..ClusterConfig::default()
    })
    .await;
    let proxy = deployment.proxy();
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let created = proxy.h1.sdp("POST", ENDPOINT, &offer).await;
    let links = created.headers.get_all("link").iter();
    let mut links = links.map(|link| link.to_str().unwrap());
    let events = links.find(|link| link.contains("server-sent-events"));
    let (events, _) = events.unwrap()[1..].split_once('>').unwrap();
    let asked = Request::post(path_of(events)).header("content-type", "application/json");
    let made = proxy.h1.send(asked.body(r#"["active"]"#).unwrap()).await;
    let stream = path_of(made.header("location"));
    let asked = request("GET", &stream, "log-shutdown").header("accept", "text/event-stream");
    let mut open = proxy.h2.keep().await.open(asked.body("").unwrap()).await;
    let (_, end) = tokio::join!(proxy.drain(), open.next());
    assert_eq!(end, None);
    let line = log::line("access", "log-shutdown").await;
    assert_eq!(status(&line), ("shutdown", 200));
    // The URL of the stream is a secret of the client that has it.
    let token = stream.rsplit('/').next().unwrap();
    assert!(!line.to_string().contains(token), "{line}");
}
