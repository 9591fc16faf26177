//! The cause of an unreachable Stream Manager or node is shown to the operator, and to no client.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use whipstitch::{
    cli::{self, Cli},
    commands::Surroundings,
};
use whipstitch_minicluster::{Fault, peer::Publisher};
use whipstitch_tests::{Deployment, Proxy, deployment::SOON};

async fn status(proxy: &Proxy) -> Value {
    let text = proxy.admin.get("/status").await.text();
    serde_json::from_str(&text).unwrap()
}

/// The manager as `/status` shows it, once it is in this state.
async fn manager_once(proxy: &Proxy, state: &str, within: Duration) -> Value {
    let reached = async {
        loop {
            let manager = status(proxy).await["manager"].clone();
            if manager["state"] == state {
                return manager;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(within, reached).await.expect(state)
}

/// A closed port.
async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_proxy_knows_within_a_second_of_its_start_whether_the_manager_answers() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.stream_manager.probe = Duration::from_secs(30);
    let proxy = deployment.proxy_with(config.clone());
    let manager = manager_once(&proxy, "answering", Duration::from_secs(1)).await;
    assert_eq!(manager["failing_since_at"], Value::Null);

    config.stream_manager.url = Some(format!("http://{}", closed_port().await));
    let proxy = deployment.proxy_with(config.clone());
    let manager = manager_once(&proxy, "failing", Duration::from_secs(1)).await;
    assert_eq!(manager["last_error"], "connection refused");
    assert!(manager["failing_since_at"].is_u64(), "{manager}");

    // It accepts the connection and sends nothing: the probe hangs.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    config.stream_manager.url = Some(format!("http://{}", silent.local_addr().unwrap()));
    let proxy = deployment.proxy_with(config);
    let manager = manager_once(&proxy, "failing", Duration::from_secs(1)).await;
    assert_eq!(manager["last_error"], "timeout after 500 ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_answer_to_an_idle_probe_does_not_mark_the_manager_down() {
    let deployment = Deployment::start().await;
    let manager = deployment.cluster.manager();
    let error = r#"{"errorMessage":"unexpected"}"#;
    manager.fail(Fault::Status(500, error.into())).await;
    let mut config = deployment.config();
    config.stream_manager.probe = Duration::from_secs(1);
    let proxy = deployment.proxy_with(config);
    let manager = manager_once(&proxy, "answering", Duration::from_secs(1)).await;
    assert_eq!(manager["last_error"], "HTTP status 500", "{manager}");
    assert_eq!(manager["failing_since_at"], Value::Null, "{manager}");
    assert_eq!(manager["breaker"], "closed", "{manager}");
    for (name, value) in [
        ("whipstitch_stream_manager_up", 1.0),
        (
            r#"whipstitch_stream_manager_lookups_total{result="failed"}"#,
            0.0,
        ),
        (
            r#"whipstitch_stream_manager_failures_total{cause="answer"}"#,
            0.0,
        ),
    ] {
        let is = proxy.metric(name).await;
        assert!((is - value).abs() < 0.5, "{name}: {is}");
    }
    // The same answer to a client's lookup is an error.
    let reply = proxy.h1.bare("OPTIONS", "/live/whip/endpoint/s1").await;
    assert_eq!(reply.problem(), "manager-unavailable");
    let failed = r#"whipstitch_stream_manager_lookups_total{result="failed"}"#;
    assert!(proxy.metric(failed).await > 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_can_be_switched_off_and_never_ask_to_publish() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    let quiet = deployment.proxy_with(config.clone());
    assert_eq!(status(&quiet).await["manager"]["state"], "unknown");
    assert_eq!(deployment.cluster.seen().all_lookups(), 0);

    config.stream_manager.probe = Duration::from_secs(1);
    let proxy = deployment.proxy_with(config);
    let asked = "whipstitch_origin_lookup_duration_seconds_count";
    let several = async {
        while proxy.metric(asked).await < 2.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, several).await.unwrap();
    for lookup in deployment.cluster.seen().lookup_targets() {
        assert!(lookup.contains("action=subscribe"), "{lookup}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cause_reaches_the_operator_and_no_client() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.nodes.port = closed_port().await.port();
    let proxy = deployment.proxy_with(config);
    let failed = proxy
        .h1
        .sdp("POST", "/live/whip/endpoint/s1", "v=0\r\n")
        .await;
    assert_eq!(failed.problem(), "node-unreachable");
    assert!(!failed.text().contains("refused"), "{}", failed.text());
    let nodes: Value = serde_json::from_str(&proxy.admin.get("/nodes").await.text()).unwrap();
    let node = &nodes["nodes"][0];
    assert_eq!(node["last_error"], "connection refused", "{nodes}");
    assert!(node["unhealthy_since_at"].is_u64(), "{nodes}");
    let refused = r#"whipstitch_node_failures_total{cause="refused"}"#;
    assert!(proxy.metric(refused).await >= 1.0);

    deployment
        .cluster
        .manager()
        .fail(Fault::Status(503, "busy".to_owned()))
        .await;
    let failed = proxy
        .h1
        .sdp("POST", "/live/whip/endpoint/s2", "v=0\r\n")
        .await;
    assert_eq!(failed.problem(), "manager-unavailable");
    let manager = status(&proxy).await["manager"].clone();
    assert_eq!(manager["last_error"], "HTTP status 503", "{manager}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_certificate_is_reported_with_the_verifiers_reason() {
    let deployment = Deployment::start().await;
    let tls = deployment.proxy();
    let mut config = deployment.config();
    // Another proxy's https: no authority of the system signed its certificate.
    config.stream_manager.url = Some(format!("https://localhost:{}", tls.h1.addr().port()));
    config.stream_manager.probe = Duration::from_secs(30);
    let proxy = deployment.proxy_with(config);
    let manager = manager_once(&proxy, "failing", SOON).await;
    assert_eq!(
        manager["last_error"], "TLS: unknown issuer of the certificate",
        "{manager}"
    );
}

/// `whipstitch check --online` with these flags; returns its exit code and its output.
async fn check_online(flags: String) -> (u8, String) {
    let exit = tokio::task::spawn_blocking(move || {
        let line = format!("whipstitch check --online --http 127.0.0.1:0 {flags}");
        match Cli::read(line.split_whitespace()) {
            Ok(cli) => cli::perform(&cli, &Surroundings::default()),
            Err(exit) => exit,
        }
    });
    let exit = tokio::time::timeout(SOON, exit).await.unwrap().unwrap();
    (exit.code, exit.out + &exit.err)
}

#[tokio::test(flavor = "multi_thread")]
async fn check_online_tries_each_step_and_names_the_one_that_failed() {
    let deployment = Deployment::start().await;
    let port = deployment.cluster.node_port();
    let url = deployment.cluster.manager_url();
    let (code, shown) = check_online(format!("--stream-manager {url}")).await;
    assert_eq!(code, 0, "{shown}");
    for step in ["ok       TCP", "ok       API", "ok       lookup"] {
        assert!(shown.contains(step), "{shown}");
    }

    let proxy = deployment.proxy();
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let made = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", &offer).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let flags = format!(
        "--stream-manager {url} --allow-nodes 127.0.0.0/8 --node-port {port} --stream live/s1"
    );
    let (code, shown) = check_online(flags).await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("ok       node"), "{shown}");

    let wrong = closed_port().await.port();
    let flags = format!(
        "--stream-manager {url} --allow-nodes 127.0.0.0/8 --node-port {wrong} --stream live/s1"
    );
    let (code, shown) = check_online(flags).await;
    assert_eq!(code, 78, "{shown}");
    assert!(shown.contains("FAILED   node"), "{shown}");
    assert!(shown.contains("connection refused"), "{shown}");
    assert!(shown.contains("is nodes.port right"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_online_names_each_cause_and_its_fix() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let tls = proxy.h1.addr().port();
    for (url, words) in [
        (
            format!("http://{}", closed_port().await),
            ["FAILED   TCP", "connection refused"],
        ),
        (
            "http://manager.invalid".to_owned(),
            ["FAILED   name", "manager.invalid: "],
        ),
        (
            format!("https://localhost:{tls}"),
            ["FAILED   TLS", "unknown issuer"],
        ),
        (
            format!("https://{}", proxy.plain.addr()),
            ["does not speak TLS", "write http://"],
        ),
        (
            format!("http://localhost:{tls}"),
            ["warning  API", "https://"],
        ),
        (
            format!("http://{}", proxy.admin.addr()),
            ["FAILED   API", "if this is a Stream Manager at all"],
        ),
    ] {
        let (code, shown) = check_online(format!("--stream-manager {url}")).await;
        for words in words {
            assert!(shown.contains(words), "{url}: {shown}");
        }
        assert_eq!(
            code,
            if shown.contains("FAILED") { 78 } else { 0 },
            "{shown}"
        );
    }
    // A plain 404, as Traefik answers for a host or a path that it has no rule for.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = plain.local_addr().unwrap();
    let serves = tokio_util::task::TaskTracker::new().spawn(async move {
        while let Ok((mut socket, _)) = plain.accept().await {
            let _ = socket.read(&mut [0; 1024]).await;
            let answer = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: 19\r\n\r\n404 page not found\n";
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    for (api, words) in [("1", "api and host"), ("2", "api, host and strip_prefix")] {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = format!("[stream_manager]\nurl = \"http://{addr}\"\napi = \"{api}\"\n");
        std::fs::write(file.path(), config).unwrap();
        let (_, shown) = check_online(format!("--config {}", file.path().display())).await;
        let words = format!("are stream_manager.{words} right");
        assert!(shown.contains("warning  API"), "{shown}");
        assert!(shown.contains(&words), "{shown}");
        assert!(!shown.contains("ok       lookup"), "{shown}");
    }
    serves.abort();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap();
    let (code, shown) = check_online(format!("--stream-manager http://{addr}")).await;
    assert_eq!(code, 78, "{shown}");
    assert!(shown.contains("timeout after 2 s"), "{shown}");

    // They accept the connection, and the handshake does not complete.
    let closing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closes = closing.local_addr().unwrap();
    let serves = tokio_util::task::TaskTracker::new()
        .spawn(async move { while closing.accept().await.is_ok() {} });
    for (addr, why) in [(addr, "timeout after 5 s"), (closes, "connection ")] {
        let (code, shown) = check_online(format!("--stream-manager https://{addr}")).await;
        assert_eq!(code, 78, "{shown}");
        let words = format!("FAILED   TLS        the handshake did not come to its end: {why}");
        assert!(shown.contains(&words), "{shown}");
        assert!(!shown.contains("ok       TLS"), "{shown}");
    }
    serves.abort();

    // The other generation than the one that is configured.
    let two = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = two.local_addr().unwrap();
    let serves = tokio_util::task::TaskTracker::new().spawn(async move {
        while let Ok((mut socket, _)) = two.accept().await {
            let mut request = [0; 1024];
            let read = socket.read(&mut request).await.unwrap_or(0);
            let asked = String::from_utf8_lossy(&request[..read]).into_owned();
            let body = if asked.contains(" /as/v1/") {
                r#"{"error":"Stream not found"}"#
            } else {
                "<html>"
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            // The check also opens a connection without a request.
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    let (code, shown) = check_online(format!("--stream-manager http://{addr}")).await;
    serves.abort();
    assert_eq!(code, 78, "{shown}");
    assert!(shown.contains("set stream_manager.api = \"2\""), "{shown}");
}
