//! WHIP and WHEP over HTTP: what reaches the node, what comes back, and what is refused.

use std::time::Duration;

use http::Request;
use whipstitch_minicluster::{Config, Fault, Lie, Server, peer::Publisher};
use whipstitch_tests::{Deployment, http::path_of, raw_node::RawNode};

use crate::session_owners::with_one_node;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_reaches_the_node_byte_for_byte_and_a_session_url_hides_it() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let publisher = Publisher::new().await.unwrap();
    let target = "/live/whip/endpoint/s1?signal=true&token=a%2Fb=c&username=%C3%A9&mode=live";
    let created = proxy
        .h1
        .sdp("POST", target, &publisher.offer().await.unwrap())
        .await;
    assert_eq!(created.status, 201);
    publisher.answer(&created.text()).await.unwrap();

    let seen = deployment.cluster.seen().requests();
    let asked = seen
        .iter()
        .find(|request| request.method == "POST")
        .unwrap();
    assert_eq!(asked.target, target);
    assert_eq!(asked.headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(asked.headers["x-forwarded-proto"], "https");
    let Server::Node(index) = asked.server else {
        panic!("{asked:?}")
    };
    let node = &deployment.cluster.nodes()[index];
    assert_eq!(asked.headers["host"], node.address().to_string());

    let location = created.header("location").to_owned();
    let port = proxy.h1.addr().port();
    let prefix = format!("https://localhost:{port}/live/whip/resource/s1/");
    assert!(location.starts_with(&prefix), "{location}");
    assert!(!location.contains(&node.ip().to_string()), "{location}");
    assert!(location.len() < 512, "{location}");

    let fragment = Request::patch(path_of(&location))
        .header("content-type", "application/trickle-ice-sdpfrag");
    let trickled = proxy
        .h2
        .send(
            fragment
                .body("a=ice-ufrag:x\r\na=end-of-candidates\r\n")
                .unwrap(),
        )
        .await;
    assert_eq!(
        trickled.status,
        204,
        "the node says 200, which is no standard answer without a body: {}",
        trickled.text()
    );
    let patch = deployment
        .cluster
        .seen()
        .requests()
        .into_iter()
        .find(|request| request.method == "PATCH")
        .unwrap();
    assert_eq!(
        (patch.server, &*patch.target),
        (asked.server, "/live/whip/resource/s1")
    );

    // The plain listener does not know which scheme the client uses.
    let busy = proxy
        .plain
        .sdp(
            "POST",
            "/live/whip/endpoint/s1",
            &publisher.offer().await.unwrap_or_default(),
        )
        .await;
    assert_eq!(busy.status, 409, "the node's own answer: the name is taken");
    assert_eq!(
        proxy.h1.bare("DELETE", &path_of(&location)).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn locations_are_absolute_where_the_public_address_is_known() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.proxy.public_url = Some("https://live.example.com".into());
    let (known, unknown) = (deployment.proxy_with(config), deployment.proxy());
    for (proxy, stream, prefix) in [
        (&known, "a", "https://live.example.com/live/"),
        (&unknown, "b", "/live/"),
    ] {
        let publisher = Publisher::new().await.unwrap();
        let offer = publisher.offer().await.unwrap();
        let created = proxy
            .plain
            .sdp("POST", &format!("/live/whip/endpoint/{stream}"), &offer)
            .await;
        assert_eq!(created.status, 201);
        assert!(
            created.header("location").starts_with(prefix),
            "{}",
            created.header("location")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explicit_options_is_the_nodes_and_a_get_is_ours() {
    let link = r#"<turn:turn.example.net:3478>; rel="ice-server"; username="u"; credential="c"; credential-type="password""#;
    let deployment = Deployment::with(Config {
        ice_server: Some(link.into()),
        ..Config::default()
    })
    .await;
    let proxy = deployment.proxy();
    let options = proxy
        .h1
        .bare("OPTIONS", "/live/whip/endpoint/s1?signal=true")
        .await;
    assert_eq!(
        (options.status.as_u16(), options.header("link")),
        (200, link)
    );
    let before = deployment.cluster.seen().requests().len();
    assert_eq!(proxy.h1.get("/live/whip/endpoint/s1").await.status, 204);
    assert_eq!(proxy.h1.get("/live/whip/resource/s1/any").await.status, 204);
    assert_eq!(
        proxy
            .h1
            .bare("HEAD", "/live/whep/endpoint/s1")
            .await
            .header("content-type"),
        "application/sdp"
    );
    assert_eq!(deployment.cluster.seen().requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_no_node_should_see_are_refused_with_the_rule() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let client = &proxy.h1;
    let endpoint = "/live/whip/endpoint/s1";
    let large = "v=0\r\n".repeat(20_000);
    let typed = |media: &str, body: &str| {
        let request = Request::post(endpoint).header("content-type", media);
        client.send(request.body(body.to_owned()).unwrap())
    };
    for (status, problem, reply) in [
        (
            413,
            "body-too-large",
            client.sdp("POST", endpoint, &large).await,
        ),
        (415, "media-type", typed("application/json", "{}").await),
        (
            400,
            "bad-name",
            client.sdp("POST", "/live/whip/endpoint/a%2fb", "v=0").await,
        ),
        (
            400,
            "bad-name",
            client
                .sdp("POST", "/live/%2e%2e/whip/endpoint/a", "v=0")
                .await,
        ),
        (405, "method", client.bare("PUT", endpoint).await),
        (
            404,
            "unknown-session",
            client.bare("DELETE", "/live/whip/resource/s1").await,
        ),
        (
            404,
            "unknown-session",
            client.bare("DELETE", "/live/whip/resource/s1/AAAA").await,
        ),
        (
            409,
            "not-live",
            client
                .sdp("POST", "/live/whep/endpoint/missing", "v=0")
                .await,
        ),
    ] {
        assert_eq!(
            (reply.status.as_u16(), &*reply.problem()),
            (status, problem)
        );
    }
    let detail = client
        .sdp("POST", "/live/whip/endpoint/a%2fb", "v=0")
        .await
        .text();
    assert!(detail.contains("letters A-Z a-z, digits"), "{detail}");
    assert!(detail.contains("'%'"), "{detail}");
    let nodes = deployment
        .cluster
        .seen()
        .requests()
        .into_iter()
        .filter(|seen| seen.server != Server::Manager);
    assert_eq!(nodes.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_is_a_502_and_one_that_is_silent_a_504() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.timeouts.answer = Duration::from_millis(300);
    let proxy = deployment.proxy_with(config);
    for (fault, status, problem) in [
        (Fault::Refuse, 502, "node-unreachable"),
        (Fault::Reset, 502, "node-unreachable"),
        (Fault::BlackHole, 504, "node-timeout"),
    ] {
        for node in deployment.cluster.nodes() {
            node.fail(fault.clone()).await;
        }
        let reply = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0").await;
        assert_eq!(
            (reply.status.as_u16(), &*reply.problem()),
            (status, problem),
            "{fault:?}"
        );
    }
    for node in deployment.cluster.nodes() {
        node.fail(Fault::Status(503, "full".into())).await;
    }
    let reply = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0").await;
    assert_eq!(
        (reply.status.as_u16(), &*reply.text()),
        (503, "full"),
        "a node's own answer passes untouched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_proxy_disabled_only_the_manager_is_reachable() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.proxy.enabled = false;
    let proxy = deployment.proxy_with(config);
    let reply = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0").await;
    assert_eq!(
        (reply.status.as_u16(), &*reply.problem()),
        (503, "signaling-disabled")
    );
    assert_eq!(
        proxy
            .h1
            .get("/streammanager/api/4.0/event/live/s1?action=broadcast")
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_own_address_is_not_exposed() {
    let (deployment, node) = (Deployment::start().await, RawNode::start(7).await);
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![format!("{}/32", node.addr().ip()).parse().unwrap()];
    deployment
        .cluster
        .manager()
        .lie(Lie::ServerAddress(node.addr().ip().to_string()));
    let proxy = deployment.proxy_with(config);
    let answer = b"HTTP/1.1 200 OK\r\nSession-Host: 127.0.0.7\r\nContent-Length: 0\r\n\r\n";
    let (reply, _) = tokio::join!(
        proxy.h1.bare("OPTIONS", "/live/whip/endpoint/s1"),
        node.answer(0, answer)
    );
    assert_eq!(reply.status, 200);
    // Ours, in the place of the node's.
    let hosts: Vec<_> = reply.headers.get_all("session-host").iter().collect();
    assert_eq!(hosts.len(), 1);
    assert!(hosts[0].len() > 40);
    assert!(!format!("{reply:?}").contains("127.0.0.7"));
}

/// A session that the table had no room for is its client's all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_evicted_is_served_by_its_url() {
    let deployment = with_one_node().await;
    let mut config = deployment.config();
    config.limits.sessions = 1;
    let proxy = deployment.proxy_with(config);
    let mut sessions = Vec::new();
    for stream in ["a", "b", "c"] {
        let publisher = Publisher::new().await.unwrap();
        let target = format!("/live/whip/endpoint/{stream}");
        let offer = publisher.offer().await.unwrap();
        let created = proxy.h1.sdp("POST", &target, &offer).await;
        assert_eq!(created.status, 201, "{}", created.text());
        sessions.push(path_of(created.header("location")));
    }
    let listed = proxy.metric("whipstitch_http_sessions_remembered").await;
    assert!((listed - 1.0).abs() < 0.5, "{listed}");
    for session in &sessions {
        let fragment =
            Request::patch(session).header("content-type", "application/trickle-ice-sdpfrag");
        let trickled = proxy.h1.send(fragment.body("a=ice-ufrag:x\r\n").unwrap());
        assert_eq!(trickled.await.status, 204);
        assert_eq!(proxy.h1.bare("DELETE", session).await.status, 200);
    }
    assert_eq!(deployment.cluster.nodes()[0].sessions(), 0);
}
