//! Stream Manager 2.0: its URLs, its lookups and its answers, with real media.

mod media;

use std::fs;

use http::{Method, Request};
use serde_json::{Value, json};
use whipstitch::config::Config;
use whipstitch_minicluster::{
    Config as ClusterConfig, Fault, Lie, Server, StreamKey,
    peer::{Player, Publisher},
};
use whipstitch_signaling::Api;
use whipstitch_tests::{
    Client, Deployment, Proxy,
    deployment::SOON,
    http::path_of,
    raw_node::RawNode,
    round_robin::RoundRobin,
    websocket::{Dialogue, over_h2, raw},
};

const FRAMES: u64 = 20;
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

fn config(deployment: &Deployment) -> Config {
    let mut config = deployment.config();
    config.stream_manager.api = Api::V2;
    config
}

fn proxy(deployment: &Deployment) -> Proxy {
    deployment.proxy_with(config(deployment))
}

/// Publishes by WHIP; the session's URL.
async fn publish(client: &Client, publisher: &Publisher, target: &str) -> String {
    let offer = publisher.offer().await.unwrap();
    let created = client.sdp("POST", target, &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    publisher.answer(&created.text()).await.unwrap();
    publisher.wait_connected(SOON).await.unwrap();
    path_of(created.header("location"))
}

/// Plays by WHEP as Red5 speaks it: the 201 is an offer, the answer goes by PATCH; the session's
/// URL.
async fn play(client: &Client, player: &Player, target: &str) -> String {
    let created = client
        .sdp("POST", target, &player.offer().await.unwrap())
        .await;
    assert_eq!(created.status, 201, "{}", created.text());
    let session = path_of(created.header("location"));
    let answer = player.accept(&created.text()).await.unwrap();
    assert_eq!(client.sdp("PATCH", &session, &answer).await.status, 204);
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_forwarded_and_the_administration_is_shut() {
    let deployment = Deployment::start().await;
    let mut open = config(&deployment);
    open.proxy.admin_api = true;
    let (shut, open) = (proxy(&deployment), deployment.proxy_with(open));
    let target = "/as/v1/proxy/forward/?target=http%3A%2F%2F127.0.0.2%3A5080%2F";
    for proxy in [&shut, &open] {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let refused = proxy.h1.bare(method, target).await;
            assert_eq!(
                (refused.status.as_u16(), &*refused.problem()),
                (403, "forward-proxy"),
                "{method}"
            );
        }
        for disguise in [
            "/as/v1/proxy/%66orward/",
            "/as/v1//proxy/forward",
            "/as/v1/streams/../proxy/forward/",
        ] {
            assert_eq!(
                proxy.h2.get(disguise).await.problem(),
                "forward-proxy",
                "{disguise}"
            );
        }
    }
    let status = "/as/v1/admin/nodegroup/status/default";
    assert_eq!(shut.h1.get(status).await.problem(), "admin-api");
    assert_eq!(deployment.cluster.seen().requests().len(), 0);
    let login =
        Request::put("/as/v1/auth/login").header("authorization", "Basic YWRtaW46bWluaWNsdXN0ZXI=");
    let login = open.h1.send(login.body("").unwrap()).await;
    let login: Value = serde_json::from_slice(&login.body).unwrap();
    let bearer = format!("Bearer {}", login["token"].as_str().unwrap());
    let allowed = Request::get(status).header("authorization", bearer);
    let list = open.h1.send(allowed.body("").unwrap()).await;
    assert_eq!(
        (list.status.as_u16(), list.text().contains("INSERVICE")),
        (200, true)
    );
    let refused = open.h1.get(status).await;
    assert_eq!(refused.status, 401, "the manager's own answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_reach_the_manager_under_the_names_of_its_api() {
    // Without a provision a transcoder is a 404.
    let deployment = Deployment::with(ClusterConfig {
        provisions: vec![StreamKey::new("live", "s1")],
        ..ClusterConfig::default()
    })
    .await;
    let mut config = config(&deployment);
    config.stream_manager.node_group = "minicluster".into();
    let proxy = deployment.proxy_with(config);
    let queries = [
        "",
        "?nodeGroup=default",
        "?subgroup=us-east-1,eu&strict=true",
        "?subgroup=x&region=us%2Deast%2D1",
        "?transcode=true&token=secret&mode=live",
        "?endpoints=3",
    ];
    for query in queries {
        let target = format!("/as/v1/proxy/whip/live/s1{query}");
        assert_eq!(
            proxy.h1.bare("OPTIONS", &target).await.status,
            200,
            "{query}"
        );
    }
    assert_eq!(
        deployment.cluster.seen().lookup_targets(),
        [
            "minicluster/publish/live/s1?",
            "default/publish/live/s1?",
            "minicluster/publish/live/s1?subgroup=us-east-1,eu&strict=true",
            "minicluster/publish/live/s1?subgroup=us%2Deast%2D1",
            "minicluster/publish/live/s1?transcode=true",
            "minicluster/publish/live/s1?endpoints=3",
        ]
    );
    for group in ["a/b", "..%2F..", "..", "x?y", ""] {
        let target = format!("/as/v1/proxy/whip/live/s1?nodeGroup={group}");
        let refused = proxy.h1.bare("OPTIONS", &target).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (400, "bad-query"),
            "{group}"
        );
    }
    assert_eq!(deployment.cluster.seen().lookup_targets().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_manager_differ_from_its_malformed_answers() {
    let deployment = Deployment::start().await;
    let mut config = config(&deployment);
    config.nodes.allow.clear();
    config.lookup.negative_ttl = std::time::Duration::from_millis(1);
    let proxy = deployment.proxy_with(config);
    let whip = |stream: &str| {
        let target = format!("/as/v1/proxy/whip/live/{stream}");
        let client = proxy.h1.clone();
        async move { client.bare("OPTIONS", &target).await }
    };
    let not_live = proxy
        .h1
        .sdp("POST", "/as/v1/proxy/whep/live/missing", "v=0")
        .await;
    assert_eq!(
        (not_live.status.as_u16(), &*not_live.problem()),
        (409, "not-live")
    );
    assert!(
        not_live.text().contains("Stream missing is not live"),
        "{}",
        not_live.text()
    );
    let no_group = proxy
        .h1
        .bare("OPTIONS", "/as/v1/proxy/whip/live/s?nodeGroup=other")
        .await;
    assert_eq!(
        (no_group.status.as_u16(), &*no_group.problem()),
        (503, "no-node")
    );
    let manager = deployment.cluster.manager();
    for (number, (lie, status, problem)) in [
        (Lie::Array, 502, "node-refused"), // loopback, which is not allowed here
        (
            Lie::ServerAddress("169.254.169.254".into()),
            502,
            "node-refused",
        ),
        (
            Lie::ServerAddress("10.0.0.1:22/x".into()),
            502,
            "node-refused",
        ),
        (Lie::ErrorMessage("full".into()), 503, "no-node"),
        (Lie::Html, 503, "manager-unavailable"),
        (Lie::Garbage, 503, "manager-unavailable"),
        (Lie::Huge(200_000), 503, "manager-unavailable"),
    ]
    .into_iter()
    .enumerate()
    {
        manager.lie(lie.clone());
        let refused = whip(&format!("s{number}")).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (status, problem),
            "{lie:?}"
        );
    }
    let seen = deployment.cluster.seen().requests();
    assert!(seen.iter().all(|request| request.server == Server::Manager));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_passes_the_gate_or_is_a_403() {
    let deployment = Deployment::start().await;
    let mut config = config(&deployment);
    config.nodes.allow.truncate(1);
    let canary = RawNode::start(9).await;
    let proxy = deployment.proxy_with(config);
    let node = deployment.cluster.nodes()[0].ip();
    for host in ["127.0.0.9", "10.11.12.13"] {
        let target = format!("/as/v1/proxy/whip/live/s1?host={host}");
        for method in ["OPTIONS", "POST", "PATCH", "DELETE"] {
            let refused = proxy.h1.sdp(method, &target, "v=0").await;
            assert_eq!(
                (refused.status.as_u16(), &*refused.problem()),
                (403, "node-not-allowed"),
                "{method} {host}"
            );
        }
        let socket = format!("/as/v1/proxy/ws/publish/live/s1?id=s1&host={host}");
        let (answer, _) = raw(&proxy.h1, &socket, "").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{host}: {answer}");
    }
    for host in [
        "undefined",
        "",
        "127.0.0.2:22",
        "user@127.0.0.2",
        "localhost/x",
    ] {
        let target = format!("/as/v1/proxy/whip/live/s1?host={host}");
        let refused = proxy.h1.bare("OPTIONS", &target).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (400, "bad-query"),
            "{host}"
        );
    }
    assert!(canary.unconnected());

    // An allowed host is dialled without a lookup; its name is not enough to end a session there.
    let before = deployment.cluster.seen().lookup_targets().len();
    let publisher = Publisher::new().await.unwrap();
    let target = format!("/as/v1/proxy/whip/live/s1?host={node}&nodeGroup=default");
    let session = publish(&proxy.h1, &publisher, &target).await;
    assert_eq!(deployment.cluster.seen().lookup_targets().len(), before);
    let stranger = Request::delete(&target).header("user-agent", "another client");
    let refused = proxy.h1.send(stranger.body("").unwrap()).await;
    assert_eq!(refused.problem(), "unknown-session");
    let sealed = format!("{session}?host=10.11.12.13");
    assert_eq!(
        proxy.h1.bare("DELETE", &sealed).await.status,
        200,
        "the token says where"
    );
    let seen = deployment.cluster.seen().requests();
    assert!(
        seen.iter().all(|request| !request.target.contains("host=")),
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_seen_in_a_list_is_known() {
    let mut config_of_cluster = ClusterConfig::default();
    config_of_cluster.nodes.truncate(1);
    let deployment = Deployment::with(config_of_cluster).await;
    let proxy = proxy(&deployment);
    // An unknown session: 403 before the gate knows the node, 404 after.
    let asked = "/as/v1/proxy/whip/live/s1?host=10.11.12.13";
    let before = proxy.h1.bare("DELETE", asked).await;
    assert_eq!(before.problem(), "node-not-allowed");
    let lie = Lie::ServerAddress("10.11.12.13".into());
    deployment.cluster.manager().lie(lie);
    let lookup = "/as/v1/streams/stream/default/subscribe/live/s1";
    assert_eq!(proxy.h1.get(lookup).await.status, 200);
    let after = proxy.h1.bare("DELETE", asked).await;
    assert_eq!(after.problem(), "unknown-session");
    let missing = proxy
        .h1
        .get("/as/v1/streams/stream/default/x/live/s1")
        .await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.text(), r#"{"error":"No such call."}"#, "as it is");
}
