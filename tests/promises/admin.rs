//! What an operator sees and does: on the admin address and on the Unix socket.

mod operations;
mod streams;

use std::{path::Path, time::Duration};

use http::Request;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use whipstitch::shutdown::Drained;
use whipstitch_minicluster::{Fault, peer::Publisher};
use whipstitch_tests::{
    Deployment, Proxy, Reply, deployment::SOON, http::path_of, websocket::Dialogue,
};

async fn show(proxy: &Proxy, target: &str) -> Value {
    let reply = proxy.admin.get(target).await;
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    serde_json::from_slice(&reply.body).unwrap()
}

async fn post(proxy: &Proxy, target: &str, body: &str) -> Reply {
    let request = Request::post(target).header("content-type", "application/json");
    proxy
        .admin
        .send(request.body(body.to_owned()).unwrap())
        .await
}

/// Asks over the Unix socket; the status, and the body.
async fn over_socket(socket: &Path, method: &str, target: &str, body: &str) -> (u16, Value) {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: whipstitch\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(SOON, read).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Waits until the answer satisfies the condition.
async fn until(proxy: &Proxy, target: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let shown = async {
        loop {
            let shown = show(proxy, target).await;
            if wanted(&shown) {
                return shown;
            }
            // Polls another part of the same process, which sends no notification.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let shown = tokio::time::timeout(SOON, shown).await;
    shown.unwrap_or_else(|_| panic!("{target} does not come to that"))
}

/// A dialogue that has received the node's greeting.
async fn dialogue(deployment: &Deployment, proxy: &Proxy, id: usize) -> Dialogue {
    let node = deployment.cluster.nodes()[id % 2].ip();
    let target = format!(
        "/streammanager/?id=subscriber-{id:03}&host={node}&app=live%2Froom{}",
        id % 10
    );
    let mut dialogue = Dialogue::open(&proxy.h1, &target).await.unwrap();
    dialogue.receive().await;
    dialogue
}

/// The code of the next Close; frames before it are skipped.
async fn closed(dialogue: &mut Dialogue) -> CloseCode {
    let closed = async {
        loop {
            if let Message::Close(close) = dialogue.next().await {
                return close.unwrap().code;
            }
        }
    };
    let closed = tokio::time::timeout(SOON, closed).await;
    closed.expect("a Close in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_sessions_are_listed_searched_sorted_paged_and_one_is_ended() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let mut dialogues = Vec::new();
    for id in 0..100 {
        dialogues.push(dialogue(&deployment, &proxy, id).await);
    }
    let all = show(&proxy, "/sessions?per_page=500").await;
    let all_rows = all["sessions"].as_array().unwrap();
    assert_eq!((all_rows.len(), &all["total"]), (100, &json!(100)));
    let began: Vec<u64> = all_rows
        .iter()
        .map(|row| row["began_at"].as_u64().unwrap())
        .collect();
    assert!(began.is_sorted(), "the oldest first");

    let page = show(
        &proxy,
        "/sessions?search=ROOM3&sort=stream&page=2&per_page=4",
    )
    .await;
    assert_eq!(
        (&page["total"], &page["matching"], &page["pages"]),
        (&json!(100), &json!(10), &json!(3))
    );
    let rows = page["sessions"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert_eq!(
            (&row["kind"], &row["scope"]),
            (&json!("socket"), &json!("live/room3"))
        );
        assert!(row["client"] == "127.0.0.1", "{row}");
        assert_eq!(row["tls"], true);
        assert_eq!(row["state"], "open");
    }
    assert_eq!(
        show(&proxy, "/sessions?page=99").await["sessions"],
        json!([])
    );

    // Bytes grow while a client sends, and the busiest comes first.
    let before = all_rows[7].clone();
    let one = format!("/sessions/{}", before["id"].as_str().unwrap());
    dialogues[7]
        .send(json!({"padding": "x".repeat(5_000)}))
        .await;
    let from_client = |row: &Value| row["from_client_bytes"].as_u64().unwrap();
    let after = until(&proxy, &one, |row| {
        from_client(row) > from_client(&before) + 5_000
    })
    .await;
    assert!(after["last_activity_at"].as_u64() >= before["last_activity_at"].as_u64());
    assert!(after["rate_bps"].as_u64().unwrap() > 0);
    let busiest = show(&proxy, "/sessions?sort=bytes&per_page=1").await;
    assert_eq!(busiest["sessions"][0]["id"], before["id"]);

    // By node, as Red5's own API shows them, and in the status.
    let nodes = show(&proxy, "/nodes").await;
    for node in nodes["nodes"].as_array().unwrap() {
        assert_eq!(node["sessions"], 50, "{node}");
        assert!(
            node["connect_p50_ms"]
                .as_f64()
                .is_some_and(|took| took > 0.0),
            "{node}"
        );
    }
    let clients = "/streammanager/api/4.0/admin/proxy/clients";
    assert_eq!(
        show(&proxy, &format!("{clients}?filter=healthy&count=true")).await["count"],
        100
    );
    let seen = show(
        &proxy,
        &format!("{clients}/{}", before["id"].as_str().unwrap()),
    )
    .await;
    assert_eq!(
        (&seen["targetApp"], &seen["clientAddress"]),
        (&json!("live/room7"), &json!("127.0.0.1"))
    );
    assert_eq!(
        (&seen["clientConnected"], &seen["proxyConnected"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(show(&proxy, "/status").await["sessions"]["sockets"], 100);

    assert_eq!(post(&proxy, &format!("{one}/end"), "").await.status, 202);
    assert_eq!(closed(&mut dialogues[7]).await, CloseCode::Away);
    dialogues.remove(7).close().await;
    until(&proxy, "/sessions", |all| all["total"] == 99).await;
    assert_eq!(proxy.admin.get(&one).await.status, 404);
    assert_eq!(post(&proxy, &format!("{one}/end"), "").await.status, 404);
    dialogues[8].send(json!({"still": "there"})).await;
    drop(dialogues);
    until(&proxy, "/sessions", |all| all["total"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whip_sessions_are_listed_until_their_delete_and_can_be_terminated() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    let mut urls = Vec::new();
    for stream in ["one", "two"] {
        let made = proxy
            .h1
            .sdp("POST", &format!("/live/whip/endpoint/{stream}"), &offer)
            .await;
        assert_eq!(made.status, 201);
        urls.push(path_of(made.header("location")));
    }
    let at_nodes = || {
        deployment
            .cluster
            .nodes()
            .iter()
            .map(whipstitch_minicluster::Node::sessions)
            .sum::<usize>()
    };
    let listed = show(&proxy, "/sessions?sort=stream").await;
    assert_eq!(listed["total"], 2);
    let row = &listed["sessions"][0];
    assert_eq!(
        (&row["kind"], &row["stream"], &row["scope"]),
        (&json!("whip"), &json!("one"), &json!("live"))
    );
    assert_eq!(
        (&row["from_client_bytes"], &row["rate_bps"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(at_nodes(), 2);

    let end = format!("/sessions/{}/end", row["id"].as_str().unwrap());
    assert_eq!(post(&proxy, &end, "{}").await.status, 202);
    until(&proxy, "/sessions", |all| all["total"] == 1).await;
    assert_eq!(at_nodes(), 1, "the node got the DELETE");

    assert_eq!(proxy.h1.bare("DELETE", &urls[1]).await.status, 200);
    assert_eq!(show(&proxy, "/sessions").await["total"], 0);
    assert_eq!(show(&proxy, "/status").await["sessions"]["http"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn incidents_are_shown_without_query_values() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let secret = "hunter2";
    let player = format!("/live/whep/endpoint/missing?token={secret}");
    assert_eq!(
        proxy.h1.bare("OPTIONS", &player).await.problem(),
        "not-live"
    );
    deployment.cluster.manager().fail(Fault::Refuse).await;
    let publisher = format!("/live/whip/endpoint/s1?password={secret}");
    assert_eq!(
        proxy.h1.sdp("POST", &publisher, "v=0\r\n").await.problem(),
        "manager-unavailable"
    );
    let recent = until(&proxy, "/recent", |recent| recent["errors"][0].is_object()).await;
    let (refusal, error) = (&recent["refusals"][0], &recent["errors"][0]);
    assert_eq!(
        (&refusal["kind"], &refusal["status"]),
        (&json!("not-live"), &json!(409))
    );
    assert_eq!(
        (&refusal["stream"], &refusal["client"]),
        (&json!("live/missing"), &json!("127.0.0.1"))
    );
    assert_eq!(
        (&error["kind"], &error["status"]),
        (&json!("manager-unavailable"), &json!(503))
    );
    let status = show(&proxy, "/status").await;
    assert_eq!(status["manager"]["state"], "failing");
    assert!(status["manager"]["last_error"].is_string());
    for path in [
        "/recent",
        "/status",
        "/sessions",
        "/lookups",
        "/nodes",
        "/config",
    ] {
        let text = proxy.admin.get(path).await.text();
        assert!(!text.contains(secret), "{path}: {text}");
    }
    let forgotten = post(
        &proxy,
        "/lookups/forget",
        "{\"scope\":\"live\",\"stream\":\"missing\"}",
    )
    .await;
    assert_eq!(forgotten.text(), "{\"forgotten\":1}");
    assert_eq!(show(&proxy, "/lookups").await["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_sent_until_shutdown() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let (mut io, _) = proxy.admin.connect().await;
    io.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut lines = BufReader::new(io).lines();
    let mut until = async |start: &str| {
        loop {
            let line = tokio::time::timeout(SOON, lines.next_line()).await;
            let line = line.expect("an event in time").unwrap()?;
            if let Some(rest) = line.strip_prefix(start) {
                return Some(rest.to_owned());
            }
        }
    };
    assert_eq!(until("event: ").await.as_deref(), Some("status"));
    let status: Value = serde_json::from_str(&until("data: ").await.unwrap()).unwrap();
    assert_eq!(status["state"], "ready");
    let (drained, over) = tokio::join!(proxy.drain(), async {
        while until("event: ").await.is_some() {}
    });
    assert_eq!((drained, over), (Drained::Whole, ()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_neither_reads_nor_changes() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.admin.hosts = vec!["proxy-1.example.com".to_owned()];
    let proxy = deployment.proxy_with(config);
    let port = proxy.admin.addr().port();
    let ask = async |method: &str, path: &str, fields: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        proxy
            .admin
            .send(request.body("{}".to_owned()).unwrap())
            .await
            .status
            .as_u16()
    };
    let json = ("content-type", "application/json");
    let here = format!("localhost:{port}");
    let local = ("host", here.as_str());
    assert_eq!(
        ask("GET", "/status", &[("host", "proxy-1.example.com:9090")]).await,
        200
    );
    assert_eq!(
        ask("GET", "/status", &[("host", "rebound.example")]).await,
        403
    );
    assert_eq!(
        ask("GET", "/metrics", &[("host", "rebound.example")]).await,
        200
    );
    for fields in [
        &[local][..],
        &[local, ("content-type", "text/plain")],
        &[local, json, ("origin", "https://evil.example")],
        &[local, json, ("origin", "null")],
        &[("host", "proxy-1.example.com"), json],
    ] {
        assert_eq!(ask("POST", "/drain", fields).await, 403, "{fields:?}");
    }
    let origin = format!("http://{here}");
    assert_eq!(
        ask("POST", "/reload", &[local, json, ("origin", &origin)]).await,
        200
    );
    assert_eq!(ask("POST", "/status", &[local, json]).await, 405);
    for path in [
        "/%2e%2e/status",
        "/status/..",
        "/sessions/%00",
        "/sessions/0x1",
        "/etc/passwd",
    ] {
        assert_eq!(ask("GET", path, &[local]).await, 404, "{path}");
    }
    let long = Request::post("/log-level").header("content-type", "application/json");
    let long = long.body(" ".repeat(1_000_000)).unwrap();
    assert_eq!(proxy.admin.send(long).await.status, 400);
    assert_eq!(show(&proxy, "/status").await["state"], "ready");
}
