//! Requests for the Stream Manager itself beside its API and its pages: health checks, its own
//! WebSockets, and its forward proxy for nodes.

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whipstitch::{config::Config, shutdown::Drained};
use whipstitch_minicluster::Config as ClusterConfig;
use whipstitch_proxy::config::Forwarding;
use whipstitch_signaling::Api;
use whipstitch_tests::{
    Deployment, Reply,
    deployment::SOON,
    gateway::Gateway,
    raw_node::RawNode,
    websocket::{KEY, over_h2, raw},
};

const HEALTHZ: &str = "/as/v1/admin/healthz";
const CONFERENCE: &str = "/conference-api/1.0/ws/room1?token=a%20b";

/// A proxy whose Stream Manager is a raw socket.
async fn with_raw_manager(last: u8) -> (Deployment, RawNode, Config) {
    let (deployment, manager) = (Deployment::start().await, RawNode::start(last).await);
    let mut config = deployment.config();
    config.stream_manager.url = Some(format!("http://{}", manager.addr()));
    (deployment, manager, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_passes_with_every_setting() {
    let deployment = Deployment::with(ClusterConfig::default()).await;
    let mut config = deployment.config();
    config.stream_manager.api = Api::V2;
    config.proxy.enabled = false;
    config.proxy.admin_api = false;
    config.proxy.hosts = vec!["live.example.com".to_owned()];
    let proxy = deployment.proxy_with(config);
    for client in [&proxy.h1, &proxy.h2, &proxy.plain] {
        for method in ["GET", "HEAD"] {
            assert_eq!(client.bare(method, HEALTHZ).await.status, 200, "{method}");
        }
    }
    let asked = |target: &'static str, method: &'static str| {
        let request = Request::builder().method(method).uri(target);
        proxy
            .h1
            .send(request.header("host", "live.example.com").body("").unwrap())
    };
    for (target, method) in [
        (HEALTHZ, "DELETE"),
        ("/as/v1/admin/healthz/", "GET"),
        ("/as/v1/admin/healthz/../nodegroup", "GET"),
        ("/as/v1/admin/nodegroup", "GET"),
    ] {
        assert_eq!(
            asked(target, method).await.problem(),
            "admin-api",
            "{target}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_passes_while_all_permits_are_in_use() {
    let (deployment, manager, mut config) = with_raw_manager(21).await;
    config.limits.in_flight = 1;
    let proxy = deployment.proxy_with(config);
    let page = proxy.plain.get("/slow.html");
    let checks = async {
        // It holds the only permit, and gets no answer.
        let mut slow = manager.accept_silently().await;
        let refused = proxy.plain.get("/other.html").await;
        assert_eq!(refused.problem(), "overloaded");
        let answer = manager.answer(0, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let (check, _) = tokio::join!(proxy.plain.get(HEALTHZ), answer);
        assert_eq!((check.status.as_u16(), &*check.text()), (200, "ok"));
        let late = b"HTTP/1.1 204 No Content\r\n\r\n";
        slow.write_all(late).await.unwrap();
        slow
    };
    let (page, _slow) = tokio::join!(page, checks);
    assert_eq!(page.status, 204);
}

/// Checks that both directions are relayed byte for byte.
async fn talk(
    client: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
    manager: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
) {
    let (question, answer) = (
        [0x81, 0x82, 1, 2, 3, 4, 0x69, 0x6b],
        [0x81, 0x02, b'h', b'o'],
    );
    let mut got = [0; 8];
    client.write_all(&question).await.unwrap();
    manager.read_exact(&mut got).await.unwrap();
    assert_eq!(got, question);
    let mut got = [0; 4];
    manager.write_all(&answer).await.unwrap();
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(got, answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_websockets_are_carried() {
    let (deployment, manager, mut config) = with_raw_manager(22).await;
    config.limits.sockets = 1;
    let proxy = deployment.proxy_with(config);
    let more =
        "Sec-WebSocket-Protocol: events\r\nOrigin: https://page\r\nAuthorization: Bearer abc\r\n";
    let agreed = "Sec-WebSocket-Protocol: events\r\n";
    let ((answer, mut client), (asked, mut manager_side)) =
        tokio::join!(raw(&proxy.h1, CONFERENCE, more), manager.accept(agreed));
    assert!(
        asked.starts_with(&format!("GET {CONFERENCE} HTTP/1.1\r\n")),
        "{asked}"
    );
    for line in [
        &*format!("host: {}", manager.addr()),
        &*format!("sec-websocket-key: {KEY}"),
        "origin: https://page",
        "authorization: Bearer abc",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: https",
    ] {
        assert!(
            asked.lines().any(|asked| asked == line),
            "{line} in {asked}"
        );
    }
    let answer = answer.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    assert!(
        answer.contains("sec-websocket-protocol: events"),
        "{answer}"
    );
    talk(&mut client, &mut manager_side).await;
    proxy.until_metric("whipstitch_sockets_open", 1.0).await;
    let (full, _) = raw(&proxy.h1, CONFERENCE, "").await;
    assert!(full.starts_with("HTTP/1.1 503"), "{full}");
    let sessions = proxy.admin.get("/sessions").await.text();
    let session: serde_json::Value = serde_json::from_str(&sessions).unwrap();
    let session = &session["sessions"][0];
    assert_eq!(session["kind"], "manager");
    assert_eq!(session["scope"], "/conference-api/1.0/ws/room1");
    assert_eq!(session["node"], manager.addr().to_string());
    for red5s in [
        "/as/v1/admin/rtcproxy",
        "/streammanager/api/4.0/admin/proxy/clients",
    ] {
        let shown = proxy.admin.get(red5s).await.text();
        assert!(matches!(&*shown, "{}" | "[]"), "{red5s}: {shown}");
    }
    // A drain ends it as any WebSocket: with a Close to both, between two frames.
    let ends = async {
        let mut code = [0; 4];
        client.read_exact(&mut code).await.unwrap();
        assert_eq!((code[0], code[2], code[3]), (0x88, 3, 0xe9), "1001");
        client.write_all(&[0x88, 0x80, 1, 2, 3, 4]).await.unwrap();
        let mut close = [0; 2];
        manager_side.read_exact(&mut close).await.unwrap();
        assert_eq!(close[0], 0x88);
        manager_side.write_all(&[0x88, 0x00]).await.unwrap();
        let _ = client.read_to_end(&mut Vec::new()).await;
    };
    let (drained, ()) = tokio::join!(proxy.drain(), ends);
    assert_eq!(drained, Drained::Whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_and_over_tls_they_are_carried_too() {
    let (deployment, manager, mut config) = with_raw_manager(23).await;
    let gateway = Gateway::start("127.0.0.1", ("/sm/", "/"), manager.addr()).await;
    config.stream_manager.url = Some(gateway.url("/sm"));
    config.stream_manager.ca_file = Some(gateway.ca_file());
    let proxy = deployment.proxy_with(config);
    let ((opened, stream), (asked, mut manager_side)) =
        tokio::join!(over_h2(&proxy.h2, CONFERENCE), manager.accept(""));
    assert_eq!(opened.status(), 200);
    assert!(
        asked.starts_with(&format!("GET {CONFERENCE} HTTP/1.1\r\n")),
        "{asked}"
    );
    let mut client = stream.unwrap();
    tokio::time::timeout(SOON, talk(&mut client, &mut manager_side))
        .await
        .unwrap();
    let line = format!("GET /sm{CONFERENCE}");
    assert!(gateway.asked().iter().any(|asked| asked.line() == line));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_the_managers_own_is_carried() {
    let (deployment, manager, config) = with_raw_manager(24).await;
    let proxy = deployment.proxy_with(config.clone());
    for (target, status) in [
        ("/as/v1/admin/events", "403"),
        // Paths to the manager's own proxies, which would dial any host.
        ("/streammanager/api/4.0/admin/x", "400"),
        ("/streammanager/x?host=127.0.0.9&app=live", "400"),
        ("/streammanager;a/?host=127.0.0.9&app=live", "400"),
        ("//streammanager/?host=127.0.0.9&app=live", "400"),
        // The same path as without the escape (RFC 3986 §6.2.2.2): a WebSocket to a node, which the
        // gate refuses.
        ("/%73treammanager/?host=127.0.0.9&app=live", "403"),
        ("/as/v1/proxy/ws/publish/live/s1?host=127.0.0.9", "400"),
        ("/as/v1/proxy/forward/?target=x", "403"),
    ] {
        let (answer, _) = raw(&proxy.h1, target, "").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{target}: {answer}"
        );
    }
    let (endpoint, _) = over_h2(&proxy.h2, "/live/whip/endpoint/s1").await;
    assert_eq!(endpoint.status(), 405);
    assert!(manager.unconnected());
    let mut open = config;
    open.proxy.admin_api = true;
    let open = deployment.proxy_with(open);
    let ((answer, _), _) =
        tokio::join!(raw(&open.h1, "/as/v1/admin/events", ""), manager.accept(""));
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_does_not_switch_properly_is_never_spliced() {
    let (deployment, manager, mut config) = with_raw_manager(25).await;
    config.timeouts.manager_answer = std::time::Duration::from_millis(300);
    let proxy = deployment.proxy_with(config);
    for (says, status) in [
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            401,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 502),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", 502),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
            502,
        ),
        ("nonsense\r\n\r\n", 502),
    ] {
        let ((answer, _), _) = tokio::join!(
            over_h2(&proxy.h2, CONFERENCE),
            manager.answer(0, says.as_bytes())
        );
        assert_eq!(answer.status(), status, "{says}");
    }
    let ((answer, _), _silent) =
        tokio::join!(raw(&proxy.h1, CONFERENCE, ""), manager.accept_silently());
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    drop(manager);
    let (answer, _) = raw(&proxy.h1, CONFERENCE, "").await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_forwarded_to_nodes_only() {
    let (deployment, manager, mut config) = with_raw_manager(26).await;
    let port = config.nodes.port;
    config.stream_manager.api = Api::V2;
    config.proxy.forward = Forwarding::Nodes;
    let proxy = deployment.proxy_with(config);
    let ask = async |method: &str, query: &str, bearer: &str| -> Reply {
        let target = format!("/as/v1/proxy/forward/?{query}");
        let mut request = Request::builder().method(method).uri(target);
        if !bearer.is_empty() {
            request = request.header("authorization", bearer);
        }
        proxy.h1.send(request.body("").unwrap()).await
    };
    let node = format!("http%3A%2F%2F127.0.0.2%3A{port}%2Flive%2Fa.mp4%3Fx%3D1");
    let good = format!("target={node}&digestAction=socialpusher&nodegroup=default");
    for (query, status, problem) in [
        (
            "target=http%3A%2F%2F127.0.0.9%3A5080%2F".to_owned(),
            403,
            "node-not-allowed",
        ),
        (
            "target=http%3A%2F%2F127.0.0.2%3A22%2F".to_owned(),
            403,
            "node-not-allowed",
        ),
        (
            "target=http%3A%2F%2F127.0.0.2%2F".to_owned(),
            403,
            "node-not-allowed",
        ),
        (
            "target=http%3A%2F%2F169.254.169.254%2F".to_owned(),
            403,
            "node-not-allowed",
        ),
        (
            format!("target=http%3A%2F%2Flocalhost%3A{port}"),
            403,
            "node-not-allowed",
        ),
        (
            format!("target=http%3A%2F%2F127.2%3A{port}"),
            403,
            "node-not-allowed",
        ),
        (
            format!("target=http%3A%2F%2F2130706434%3A{port}"),
            403,
            "node-not-allowed",
        ),
        (
            format!("target=http%3A%2F%2F127.0.0.2%3A{port}%40evil%2F"),
            400,
            "bad-query",
        ),
        (
            format!("target=https%3A%2F%2F127.0.0.2%3A{port}%2F"),
            400,
            "bad-query",
        ),
        (format!("{good}&target={node}"), 400, "bad-query"),
        (
            format!("target=http%253A%252F%252F127.0.0.2%253A{port}"),
            400,
            "bad-query",
        ),
        ("url=x".to_owned(), 400, "bad-query"),
    ] {
        let refused = ask("GET", &query, "Bearer abc").await;
        let seen = (refused.status.as_u16(), &*refused.problem());
        assert_eq!(seen, (status, problem), "{query}");
    }
    for bearer in ["", "Basic abc", "Bearer", "Bearer "] {
        let refused = ask("GET", &good, bearer).await;
        assert_eq!(refused.problem(), "forward-proxy", "{bearer:?}");
    }
    assert_eq!(ask("PATCH", &good, "Bearer abc").await.status, 405);
    assert!(manager.unconnected());
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (passed, (head, _)) =
        tokio::join!(ask("POST", &good, "bearer abc"), manager.answer(0, answer));
    assert_eq!((passed.status.as_u16(), &*passed.text()), (200, "ok"));
    let line = format!("POST /as/v1/proxy/forward/?{good} HTTP/1.1\r\n");
    assert!(head.starts_with(&line), "{head}");
    assert!(head.contains("authorization: bearer abc"), "{head}");
}

/// Clients send them, and servers read them: only the manager knows what they mean.
#[tokio::test(flavor = "multi_thread")]
async fn raw_bytes_above_ascii_in_a_query_pass_as_they_came() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for client in [&proxy.plain, &proxy.h1] {
        let (mut io, _) = client.connect().await;
        let target = "/page?name=caf\u{e9}&mark=\u{202e}";
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        io.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        io.read_to_end(&mut answer).await.unwrap();
        let seen = deployment.cluster.seen().requests();
        assert_eq!(seen.last().map(|request| &*request.target), Some(target));
    }
}
