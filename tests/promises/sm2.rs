//! Stream Manager 2.0: its URLs, its lookups and its answers, with real media.

use std::fs;

use http::Request;
use serde_json::{Value, json};
use whipstitch::config::Config;
use whipstitch_minicluster::{
    Config as ClusterConfig, Lie, Server,
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

/// Plays by WHEP as Red5 speaks it: the 201 is an offer, the answer goes by PATCH; the session's URL.
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
async fn whip_in_whep_out() {
    let deployment = Deployment::start().await;
    let proxy = proxy(&deployment);
    for (client, stream) in [(&proxy.h1, "over-h1"), (&proxy.h2, "over-h2")] {
        let (publisher, player) = (
            Publisher::new().await.unwrap(),
            Player::new().await.unwrap(),
        );
        let ingest = format!("/as/v1/proxy/whip/live/room/{stream}?signal=true&token=a%2Fb=c");
        let egress = format!(
            "/as/v1/proxy/whep/live/room/{stream}?requestId=subscriber-1b31&signal=true&doNotSwitch=false"
        );
        assert_eq!(client.bare("OPTIONS", &ingest).await.status, 200);
        let publishing = publish(client, &publisher, &ingest).await;
        let playing = play(client, &player, &egress).await;
        let sealed = format!("/as/v1/proxy/whep/live/room/{stream}/session:");
        assert!(playing.starts_with(&sealed), "{playing}");
        let counts = player.wait_for_frames(FRAMES, SOON).await.unwrap();
        assert!(counts.keyframes > 0, "{counts:?}");

        let seen = deployment.cluster.seen();
        let targets: Vec<String> = seen
            .requests()
            .into_iter()
            .filter(|request| request.server != Server::Manager)
            .map(|request| request.target)
            .collect();
        for target in [
            format!("/live/room/whip/endpoint/{stream}?signal=true&token=a%2Fb=c"),
            format!("/live/room/whep/resource/{stream}?requestId=subscriber-1b31"),
        ] {
            assert!(targets.contains(&target), "{target} in {targets:?}");
        }
        assert_eq!(client.bare("DELETE", &playing).await.status, 200);
        assert_eq!(client.bare("DELETE", &publishing).await.status, 200);
        publisher.wait_ended(SOON).await.unwrap();
    }
    for node in deployment.cluster.nodes() {
        assert_eq!(node.sessions(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_urls_of_1_are_served_too_and_answer_in_kind() {
    let deployment = Deployment::start().await;
    let proxy = proxy(&deployment);
    let publisher = Publisher::new().await.unwrap();
    let session = publish(&proxy.h1, &publisher, "/live/whip/endpoint/s1").await;
    assert!(session.starts_with("/live/whip/resource/s1/"), "{session}");
    assert_eq!(
        deployment.cluster.seen().asked(),
        ["default/publish/live/s1?endpoints=2"]
    );
    // The same session behind the other form of its URL: the token is of the stream, not of the spelling.
    let token = session.rsplit('/').next().unwrap();
    let other = format!("/as/v1/proxy/whip/live/s1/session:{token}");
    assert_eq!(proxy.h1.bare("DELETE", &other).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_in_socket_out_by_name_and_by_our_own_lookup() {
    let deployment = Deployment::start().await;
    let proxy = proxy(&deployment);
    let publisher = Publisher::with_data_channel().await.unwrap();
    publish_by_socket(&proxy.h1, &publisher).await;
    let carrier = deployment
        .cluster
        .nodes()
        .iter()
        .find(|node| node.sessions() > 0);
    let carrier = carrier.expect("a node with a publisher").ip();
    for host in ["", &format!("&host={carrier}")] {
        let player = Player::new().await.unwrap();
        let dialogue = play_by_socket(&proxy.h1, &player, host).await;
        let counts = player.wait_for_frames(FRAMES, SOON).await.unwrap();
        assert!(counts.keyframes > 0, "{counts:?}");
        dialogue.close().await;
    }
    let seen = deployment.cluster.seen().requests();
    let upgraded = |target: &str| seen.iter().any(|request| request.target == target);
    assert!(
        upgraded("/live/?id=socket1&token=x%2Fy"),
        "what is the proxy's stays there: {seen:?}"
    );
    assert!(upgraded("/live/?id=subscriber-1b31"), "{seen:?}");

    let target = "/as/v1/proxy/ws/subscribe/live/socket1?id=subscriber-2";
    let (opened, _stream) = over_h2(&proxy.h2, target).await;
    assert_eq!(opened.status(), 200);
    let not_live = target.replace("socket1", "nobody");
    assert_eq!(over_h2(&proxy.h2, &not_live).await.0.status(), 409);
    let plain = proxy.h1.get(target).await;
    assert_eq!(
        (plain.status.as_u16(), &*plain.problem()),
        (400, "bad-handshake")
    );
}

/// The publisher's dialogue of red5pro-webrtc-sdk 14, to the switch to the data channel.
async fn publish_by_socket(client: &Client, publisher: &Publisher) {
    let target =
        "/as/v1/proxy/ws/publish/live/socket1?id=socket1&nodeGroup=minicluster&token=x%2Fy";
    let mut dialogue = Dialogue::open(client, target).await.unwrap();
    assert_eq!(
        dialogue.hear().await["data"]["code"],
        "NetConnection.Connect.Success"
    );
    dialogue
        .say(json!({"isAvailable": "socket1", "bundle": true}))
        .await;
    assert_eq!(dialogue.hear().await["isAvailable"], false);
    let offer = json!({"sdp": {"type": "offer", "sdp": publisher.offer().await.unwrap()}});
    dialogue
        .say(json!({"handleOffer": "socket1", "transport": "udp", "data": offer}))
        .await;
    let answer = dialogue
        .hear_until(|frame| frame["data"]["sdp"]["type"] == "answer")
        .await;
    let answer = answer["data"]["sdp"]["sdp"].as_str().unwrap().to_owned();
    publisher.answer(&answer).await.unwrap();
    end_candidates(&mut dialogue).await;
    dialogue
        .say(json!({"publish": "socket1", "mode": "live", "keyFramerate": 3000}))
        .await;
    let available = |frame: &Value| frame["data"]["code"] == "NetConnection.DataChannel.Available";
    dialogue.hear_until(available).await;
    dialogue.say(json!({"switchChannel": "red5pro"})).await;
    dialogue.close().await;
}

/// No more candidates from this side, and none from the other.
async fn end_candidates(dialogue: &mut Dialogue) {
    let end = json!({"candidate": {"type": "candidate", "candidate": ""}});
    dialogue
        .say(json!({"handleCandidate": "socket1", "data": end}))
        .await;
    dialogue
        .hear_until(|frame| frame["data"]["code"] == "NetConnection.ICE.TrickleCompleted")
        .await;
}

/// The subscriber's dialogue, kept on the WebSocket.
async fn play_by_socket(client: &Client, player: &Player, host: &str) -> Dialogue {
    let target = format!("/as/v1/proxy/ws/subscribe/live/socket1?id=subscriber-1b31{host}");
    let mut dialogue = Dialogue::open(client, &target).await.unwrap();
    assert_eq!(
        dialogue.hear().await["data"]["code"],
        "NetConnection.Connect.Success"
    );
    dialogue.say(json!({"isAvailable": "socket1"})).await;
    assert_eq!(dialogue.hear().await["isAvailable"], true);
    let request = json!({"requestOffer": "socket1", "requestId": "subscriber-1b31", "transport": "udp",
        "datachannel": false, "doNotSwitch": true});
    dialogue.say(request).await;
    let offer = dialogue
        .hear_until(|frame| frame["data"]["sdp"]["type"] == "offer")
        .await;
    let answer = player
        .accept(offer["data"]["sdp"]["sdp"].as_str().unwrap())
        .await
        .unwrap();
    let answer = json!({"sdp": {"type": "answer", "sdp": answer}});
    dialogue
        .say(json!({"handleAnswer": "socket1", "requestId": "subscriber-1b31", "data": answer}))
        .await;
    end_candidates(&mut dialogue).await;
    dialogue
        .say(json!({"subscribe": "socket1", "requestId": "subscriber-1b31"}))
        .await;
    dialogue
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_with_one_key_serve_each_others_sessions() {
    let deployment = Deployment::start().await;
    let with_key = || {
        let path = deployment.certificate.file("session.key");
        fs::write(&path, KEY).unwrap();
        let mut config = config(&deployment);
        config.sessions.key_file = Some(path);
        deployment.proxy_with(config)
    };
    let (first, second) = (with_key(), with_key());
    let balancer = RoundRobin::start(vec![first.h1.addr(), second.h1.addr()]).await;
    let client = first.h1.at(balancer.addr());
    for stream in ["a", "b", "c"] {
        let publisher = Publisher::new().await.unwrap();
        // Each request is a connection of its own, so these three alternate between the replicas.
        let target = format!("/as/v1/proxy/whip/live/{stream}");
        let session = publish(&client, &publisher, &target).await;
        let fragment =
            Request::patch(&session).header("content-type", "application/trickle-ice-sdpfrag");
        let body = "a=ice-ufrag:x\r\na=end-of-candidates\r\n";
        let trickled = client.send(fragment.body(body).unwrap()).await;
        assert_eq!(trickled.status, 204, "{}", trickled.text());
        let guessed = session.replace(&format!("/{stream}/"), "/other/");
        assert_eq!(
            client.bare("DELETE", &guessed).await.problem(),
            "unknown-session"
        );
        assert_eq!(client.bare("DELETE", &session).await.status, 200);
    }
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
    let allowed = Request::get(status).header("authorization", "Bearer minicluster");
    let list = open.h1.send(allowed.body("").unwrap()).await;
    assert_eq!(
        (list.status.as_u16(), list.text().contains("INSERVICE")),
        (200, true)
    );
    let refused = open.h1.get(status).await;
    assert_eq!(refused.status, 401, "the manager's own answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_reach_the_manager_as_its_api_calls_them() {
    let deployment = Deployment::start().await;
    let mut config = config(&deployment);
    config.lookup.publish_endpoints = 1;
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
        assert_eq!(
            proxy.h1.bare("OPTIONS", &target).await.status,
            200,
            "remembered"
        );
    }
    assert_eq!(
        deployment.cluster.seen().asked(),
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
    assert_eq!(deployment.cluster.seen().asked().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_manager_says_is_told_from_what_it_should_not() {
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
        .sdp("POST", "/as/v1/proxy/whep/live/nobody", "v=0")
        .await;
    assert_eq!(
        (not_live.status.as_u16(), &*not_live.problem()),
        (409, "not-live")
    );
    assert!(
        not_live.text().contains("Stream nobody is not live"),
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
    assert!(canary.untouched());

    // One that may be dialled is, without asking the manager; and its name is not enough to end a session there.
    let before = deployment.cluster.seen().asked().len();
    let publisher = Publisher::new().await.unwrap();
    let target = format!("/as/v1/proxy/whip/live/s1?host={node}&nodeGroup=default");
    let session = publish(&proxy.h1, &publisher, &target).await;
    assert_eq!(deployment.cluster.seen().asked().len(), before);
    let stranger = Request::delete(&target).header("user-agent", "somebody else");
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
async fn a_node_that_passes_by_in_a_list_is_known() {
    let mut config_of_cluster = ClusterConfig::default();
    config_of_cluster.nodes.truncate(1);
    let deployment = Deployment::with(config_of_cluster).await;
    let proxy = proxy(&deployment);
    // A session that nobody has: 403 before the gate knows the node, 404 behind it.
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
