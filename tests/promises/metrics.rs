//! The number of series never grows: it is the same before and after a storm of every possible
//! error.

use std::{collections::BTreeSet, time::Duration};

use http::Request;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whipstitch_minicluster::{Fault, Lie, peer::Publisher};
use whipstitch_proxy::config::Bearer;
use whipstitch_signaling::Api;
use whipstitch_tests::{
    Deployment, Proxy,
    deployment::SOON,
    http::path_of,
    websocket::{self, Dialogue},
};

use crate::auth::{self, Issuer, token};

/// Most series that a proxy may have, `process_*` included.
const MOST: usize = 472;
/// A defect of the proxy: no client can cause it.
const UNREACHABLE: &str = "internal";
/// Long enough for an answer on loopback.
const SHORT: Duration = Duration::from_millis(300);
const WHIP: &str = "/live/whip/endpoint";

/// A proxy in a storm.
struct Storm {
    proxy: Proxy,
    before: usize,
}

async fn lines(proxy: &Proxy) -> Vec<String> {
    let text = proxy.admin.get("/metrics").await.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

impl Storm {
    async fn before(proxy: Proxy) -> Self {
        let before = lines(&proxy).await.len();
        assert!(before <= MOST, "{before}");
        Self { proxy, before }
    }

    /// Sends bytes as they are, and reads until the end of the answer.
    async fn raw(&self, bytes: &[u8]) {
        let (mut io, _) = self.proxy.plain.connect().await;
        io.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(SOON, io.read_to_end(&mut answer)).await;
        assert!(
            answer.starts_with(b"HTTP/1.1 4"),
            "{}",
            answer.escape_ascii()
        );
    }

    /// The problem types that were returned so far. No series was added, and none names a stream or
    /// a node.
    async fn after(self, deployment: &Deployment) -> BTreeSet<String> {
        let lines = lines(&self.proxy).await;
        assert_eq!(lines.len(), self.before, "{lines:#?}");
        let nodes = deployment.cluster.nodes().iter();
        let nodes = nodes.map(|node| node.ip().to_string());
        for name in nodes.chain(["room".into(), "hunter2".into(), "169.254".into()]) {
            assert!(!lines.iter().any(|line| line.contains(&name)), "{name}");
        }
        let problem = |line: &String| {
            let rest = line.strip_prefix("whipstitch_problems_total{type=\"")?;
            let (kind, count) = rest.split_once("\"} ")?;
            (count != "0").then(|| kind.to_owned())
        };
        lines.iter().filter_map(problem).collect()
    }
}

/// What clients can do by themselves, well and badly.
async fn clients(deployment: &Deployment) -> BTreeSet<String> {
    let mut config = deployment.config();
    config.timeouts.body = SHORT;
    config.limits.sockets = 1;
    config.connections.header_timeout = SHORT;
    let storm = Storm::before(deployment.proxy_with(config)).await;
    let proxy = &storm.proxy;
    for number in 0..50 {
        let room = format!("/live/room{number}");
        proxy
            .h1
            .bare("OPTIONS", &format!("{room}/whip/endpoint/s"))
            .await;
        proxy
            .h2
            .bare("DELETE", &format!("{room}/whep/resource/s/hunter2"))
            .await;
        proxy.plain.get(&format!("/hunter2{number}")).await;
    }
    for method in [
        "GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "BREW", "HUNTER2",
    ] {
        proxy.h1.bare(method, &format!("{WHIP}/s1")).await;
        proxy.h1.bare(method, "/live/whep/resource/s1").await;
    }
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    let mut sessions = Vec::new();
    for protocol in ["whip", "whep"] {
        let target = format!("/live/{protocol}/endpoint/s1?requestId=1234");
        let made = proxy.h1.sdp("POST", &target, &offer).await;
        sessions.push(made.header("location").to_owned());
    }
    assert!(!sessions[0].is_empty());
    let mut player = proxy.h1.keep().await;
    for offer in [&offer, &offer.replace("m=audio 9 ", "m=audio 0 ")] {
        let request =
            Request::post("/live/whep/endpoint/s1").header("content-type", "application/sdp");
        player.send(request.body(offer.clone()).unwrap()).await;
    }
    for session in sessions.iter().filter(|session| !session.is_empty()) {
        proxy.h1.bare("DELETE", &path_of(session)).await;
    }
    for target in [
        &format!("{WHIP}/a%2fb")[..],
        &format!("{WHIP}/s1?host=%zz"),
        &format!("{WHIP}/s1?host=169.254.169.254"),
        "/live/whep/endpoint/missing",
        "/streammanager/api/4.0/admin/nodegroup",
    ] {
        proxy.h1.sdp("POST", target, "v=0").await;
    }
    proxy
        .h1
        .sdp("POST", &format!("{WHIP}/s1"), &"v".repeat(65_537))
        .await;
    let text = Request::post(format!("{WHIP}/s1")).header("content-type", "text/hunter2");
    proxy.h1.send(text.body("v=0").unwrap()).await;
    let start = format!(
        "POST {WHIP}/s1 HTTP/1.1\r\nConnection: close\r\nContent-Type: application/sdp\r\n"
    );
    for rest in [
        "Host: a\r\nHost: b\r\n\r\n",
        "Host: a\r\nContent-Length: 9\r\n\r\nslow",
        "Host: a\r\nTransfer-Encoding: chunked\r\n\r\nhunter2\r\n",
    ] {
        storm.raw(format!("{start}{rest}").as_bytes()).await;
    }
    proxy
        .h1
        .sdp("POST", "/live/whip//endpoint/hunter2", "v=0")
        .await;
    before_a_request(&storm).await;
    let node = deployment.cluster.nodes()[0].ip();
    let socket = |host: &str| format!("/streammanager/?id=s1&host={host}&app=live%2Froom");
    let first = Dialogue::open(&proxy.h1, &socket(&node.to_string()))
        .await
        .unwrap();
    assert!(
        Dialogue::open(&proxy.h1, &socket(&node.to_string()))
            .await
            .is_err()
    );
    assert!(
        Dialogue::open(&proxy.h1, &socket("10.9.9.9"))
            .await
            .is_err()
    );
    first.close().await;
    let (head, _) = websocket::raw(
        &proxy.h1,
        &socket(&node.to_string()),
        "Sec-WebSocket-Key: hunter2\r\nConnection: close\r\n",
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    storm.after(deployment).await
}

/// What the HTTP parser refuses.
async fn before_a_request(storm: &Storm) {
    for bytes in [
        "hunter2\r\n\r\n".to_owned(),
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "x".repeat(70_000)
        ),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(40_000)),
        "GET / HTTP/1.1\r\nHost: hunter2".to_owned(),
    ] {
        storm.raw(bytes.as_bytes()).await;
    }
}

/// What is refused only with other settings.
async fn settings(deployment: &Deployment) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let (mut off, mut named) = (deployment.config(), deployment.config());
    off.proxy.enabled = false;
    named.proxy.hosts = vec!["live.example.com".to_owned()];
    let mut other = deployment.config();
    other.stream_manager.api = Api::V2;
    for (config, target) in [
        (off, format!("{WHIP}/s1")),
        (named, "/".to_owned()),
        (
            other,
            "/as/v1/proxy/forward/?target=http%3A%2F%2Fhunter2%2F".to_owned(),
        ),
    ] {
        let storm = Storm::before(deployment.proxy_with(config)).await;
        storm.proxy.h1.sdp("POST", &target, "v=0").await;
        reached.append(&mut storm.after(deployment).await);
    }

    let mut secure = deployment.config();
    secure.proxy.https_redirect = true;
    let storm = Storm::before(deployment.proxy_with(secure)).await;
    for path in ["/hunter2", "/.well-known/acme-challenge/hunter2"] {
        storm.proxy.plain.get(path).await;
        storm.proxy.plain.sdp("POST", path, "v=0").await;
    }
    reached.append(&mut storm.after(deployment).await);

    let mut strict = deployment.config();
    strict.proxy.strict_etags = true;
    let storm = Storm::before(deployment.proxy_with(strict)).await;
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    let made = storm
        .proxy
        .h1
        .sdp("POST", &format!("{WHIP}/s1"), &offer)
        .await;
    let session = path_of(made.header("location"));
    for tag in [None, Some("\"hunter2\"")] {
        let mut patch =
            Request::patch(&session).header("content-type", "application/trickle-ice-sdpfrag");
        if let Some(tag) = tag {
            patch = patch.header("if-match", tag);
        }
        storm.proxy.h1.send(patch.body("a=mid:0").unwrap()).await;
    }
    storm.proxy.h1.bare("DELETE", &session).await;
    reached.append(&mut storm.after(deployment).await);
    reached
}

/// What a list of origins, credentials in two places, an expectation and a body are refused for.
async fn listed(deployment: &Deployment) -> BTreeSet<String> {
    let mut listed = deployment.config();
    listed.proxy.cors_origins = vec!["https://live.example.com".parse().unwrap()];
    listed.proxy.bearer = Bearer::Query;
    let storm = Storm::before(deployment.proxy_with(listed)).await;
    let offer = "Content-Type: application/sdp\r\nContent-Length: 3\r\n";
    for (method, fields, body) in [
        (
            "OPTIONS",
            "Origin: https://hunter2.example\r\nAccess-Control-Request-Method: POST\r\n".to_owned(),
            "",
        ),
        (
            "POST",
            format!("{offer}Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"),
            "v=0",
        ),
        ("POST", format!("{offer}Expect: hunter2\r\n"), "v=0"),
        ("OPTIONS", "Content-Length: 3\r\n".to_owned(), "v=0"),
    ] {
        let request = format!(
            "{method} {WHIP}/s1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n{body}"
        );
        storm.raw(request.as_bytes()).await;
    }
    storm.after(deployment).await
}

/// Clients that are judged, and are refused for every reason.
async fn judged(deployment: &Deployment) -> BTreeSet<String> {
    let issuer = Issuer::new();
    let mut without_keys = issuer.config(deployment, &["play ** jwt"]);
    without_keys.auth.key_file = None;
    let mut reached = BTreeSet::new();
    for config in [issuer.config(deployment, &["publish ** jwt"]), without_keys] {
        let storm = Storm::before(deployment.proxy_with(config)).await;
        for (protocol, bearer) in [
            ("whip", String::new()),
            ("whip", "hunter2".to_owned()),
            ("whip", token(json!({"stream": "live/room1"}))),
            ("whep", token(json!({}))),
        ] {
            let target = format!("/live/{protocol}/endpoint/s1");
            auth::ask(&storm.proxy.h1, ("POST", &target), &bearer, "v=0").await;
        }
        reached.append(&mut storm.after(deployment).await);
    }
    reached
}

/// A manager that answers falsely, refuses and hangs.
async fn managers(deployment: &Deployment) -> BTreeSet<String> {
    let mut config = deployment.config();
    config.timeouts.manager_answer = SHORT;
    config.stream_manager.timeout = SHORT;
    let storm = Storm::before(deployment.proxy_with(config)).await;
    let manager = deployment.cluster.manager();
    let ask = async |stream: &str| {
        storm
            .proxy
            .h1
            .bare("OPTIONS", &format!("{WHIP}/{stream}"))
            .await;
        storm
            .proxy
            .h1
            .get("/streammanager/api/4.0/healthcheck")
            .await;
    };
    for (lie, stream) in [
        (Lie::ErrorMessage("room hunter2".into()), "full"),
        (Lie::ServerAddress("169.254.169.254".into()), "metadata"),
    ] {
        manager.lie(lie);
        ask(stream).await;
    }
    for (fault, stream) in [(Fault::Refuse, "refused"), (Fault::BlackHole, "silent")] {
        manager.fail(fault).await;
        ask(stream).await;
    }
    manager.heal().await;
    storm.after(deployment).await
}

/// Nodes that refuse, hang, and answer wrongly.
async fn nodes() -> BTreeSet<String> {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.timeouts.answer = SHORT;
    let storm = Storm::before(deployment.proxy_with(config)).await;
    let node = deployment.cluster.nodes()[0].ip();
    let socket = format!("/streammanager/?id=s1&host={node}&app=live%2Froom");
    for fault in [Fault::Refuse, Fault::BlackHole, Fault::WrongAccept] {
        for node in deployment.cluster.nodes() {
            node.fail(fault.clone()).await;
        }
        storm.proxy.h1.bare("OPTIONS", &format!("{WHIP}/s1")).await;
        assert!(Dialogue::open(&storm.proxy.h1, &socket).await.is_err());
    }
    storm.after(&deployment).await
}

/// A DELETE while another POST for the same stream is held by its node.
async fn slots() -> BTreeSet<String> {
    let deployment = Deployment::start().await;
    let storm = Storm::before(deployment.proxy()).await;
    let node = &deployment.cluster.nodes()[0];
    let target = format!("{WHIP}/s1?host={}", node.ip());
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    let made = storm.proxy.h1.sdp("POST", &target, &offer).await;
    let session = path_of(made.header("location"));
    node.fail(Fault::Late {
        before: Duration::ZERO,
        after: None,
    })
    .await;
    let held = storm.proxy.h1.sdp("POST", &target, &offer);
    let deleted = async {
        let waiting = "whipstitch_requests_in_flight";
        storm.proxy.until_metric(waiting, 1.0).await;
        let deleted = storm.proxy.h1.bare("DELETE", &session).await;
        node.heal().await;
        deleted
    };
    let (_, deleted) = tokio::join!(held, deleted);
    assert_eq!(deleted.problem(), "slot-pending");
    storm.after(&deployment).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_everything_adds_no_series() {
    let deployment = Deployment::start().await;
    let mut reached = clients(&deployment).await;
    reached.append(&mut settings(&deployment).await);
    reached.append(&mut listed(&deployment).await);
    reached.append(&mut judged(&deployment).await);
    reached.append(&mut managers(&deployment).await);
    reached.append(&mut nodes().await);
    reached.append(&mut slots().await);
    let proxy = deployment.proxy();
    let all = lines(&proxy).await;
    let all = all.iter().filter_map(|line| {
        let rest = line.strip_prefix("whipstitch_problems_total{type=\"")?;
        rest.split('"').next()
    });
    let missed: Vec<_> = all.filter(|kind| !reached.contains(*kind)).collect();
    assert_eq!(
        missed,
        [UNREACHABLE],
        "the storm reaches every problem that there is"
    );
}
