//! Red5's HTML SDK, 11 to 15: `OPTIONS`, `POST`, `PATCH` and `DELETE` go to one node.

mod hosts;

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whipstitch_minicluster::{
    Action, Config, NodeConfig, SeenRequest, Server, StreamKey,
    peer::{Player, Publisher},
};
use whipstitch_tests::{
    Deployment,
    deployment::SOON,
    raw_node::RawNode,
    sdk::{Release, Sdk, ice_server},
    websocket::raw,
};

/// The requests of the nodes, in order.
fn asked(deployment: &Deployment) -> Vec<SeenRequest> {
    let seen = deployment.cluster.seen().requests();
    let of_nodes = |request: &SeenRequest| matches!(request.server, Server::Node(_));
    seen.into_iter().filter(of_nodes).collect()
}

/// One node after the other: of each method, where it went.
fn way(deployment: &Deployment) -> Vec<(String, Server)> {
    let step = |request: SeenRequest| (request.method.to_string(), request.server);
    asked(deployment).into_iter().map(step).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_release_publishes_on_one_node_from_options_to_delete() {
    for release in Release::ALL {
        let link =
            r#"<turn:turn.example.net:3478>; rel="ice-server"; username="u"; credential="c""#;
        // `transcode` leads to the last node; without it the manager would name the first.
        let deployment = Deployment::with(Config {
            provisions: vec![StreamKey::new("live", "s1")],
            ice_server: Some(link.into()),
            ..Config::default()
        })
        .await;
        let proxy = deployment.proxy();
        let mut sdk = Sdk::publisher(&proxy.h1, release, "s1", "transcode=true&token=a%2Fb=");
        let options = sdk.options().await;
        let (url, attributes) = ice_server(&options).unwrap();
        assert_eq!(url, "turn:turn.example.net:3478", "{release:?}");
        assert!(attributes.contains(&("username".into(), "u".into())));

        let publisher = Publisher::new().await.unwrap();
        let created = sdk.post(&publisher.offer().await.unwrap()).await;
        assert_eq!(created.status, 201, "{release:?}: {}", created.text());
        publisher.answer(&created.text()).await.unwrap();
        assert!(sdk.trickle().await.status.is_success(), "{release:?}");
        publisher.wait_connected(SOON).await.unwrap();
        let ended = sdk.delete().await;
        assert_eq!(ended.status, 200, "{release:?}: {}", ended.text());

        let last = Server::Node(deployment.cluster.nodes().len() - 1);
        let methods = ["OPTIONS", "POST", "PATCH", "DELETE"];
        let expected: Vec<_> = methods.map(|method| (method.to_owned(), last)).into();
        assert_eq!(way(&deployment), expected, "{release:?}");
        let seen = deployment.cluster.seen();
        assert_eq!(seen.lookups(Action::Broadcast, "live", "s1"), 1);
        for request in asked(&deployment) {
            assert!(!request.target.contains("host="), "{}", request.target);
        }
    }
}

/// With an offer of its own, which it discards, and without one (`postEmptyOffer`): either way the
/// node offers, and media comes after the PATCH of the answer.
#[tokio::test(flavor = "multi_thread")]
async fn every_release_plays_by_the_answer_that_it_patches() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let mut publisher = Sdk::publisher(&proxy.h1, Release::V15, "s1", "");
    let source = Publisher::new().await.unwrap();
    let created = publisher.post(&source.offer().await.unwrap()).await;
    source.answer(&created.text()).await.unwrap();
    source.wait_connected(SOON).await.unwrap();
    for (number, release) in Release::ALL.into_iter().enumerate() {
        let id = format!("subscriber-{number}");
        let mut sdk = Sdk::player(&proxy.h1, release, "s1", &id);
        sdk.options().await;
        let player = Player::new().await.unwrap();
        let offer = match number % 2 {
            0 => player.offer().await.unwrap(),
            _ => String::new(),
        };
        let created = sdk.post(&offer).await;
        assert_eq!(created.status, 201, "{release:?}: {}", created.text());
        let answer = player.accept(&created.text()).await.unwrap();
        let answered = sdk.answer(&answer).await;
        assert!(
            answered.status.is_success(),
            "{release:?}: {}",
            answered.text()
        );
        assert!(sdk.trickle().await.status.is_success(), "{release:?}");
        player.wait_for_frames(10, SOON).await.unwrap();
        assert_eq!(sdk.delete().await.status, 200, "{release:?}");

        let its = |request: &SeenRequest| request.target.contains(&id);
        let seen: Vec<_> = asked(&deployment).into_iter().filter(its).collect();
        let methods: Vec<_> = seen.iter().map(|request| request.method.as_str()).collect();
        assert_eq!(methods, ["OPTIONS", "POST", "PATCH", "PATCH", "DELETE"]);
        assert!(seen.iter().all(|request| request.server == seen[0].server));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_release_plays_what_its_node_offers() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let mut publisher = Sdk::publisher(&proxy.h1, Release::V11, "s1", "");
    let peer = Publisher::new().await.unwrap();
    let created = publisher.post(&peer.offer().await.unwrap()).await;
    peer.answer(&created.text()).await.unwrap();
    peer.wait_connected(SOON).await.unwrap();
    for release in Release::ALL {
        let mut sdk = Sdk::player(&proxy.h1, release, "s1", &format!("{release:?}"));
        assert_eq!(sdk.options().await.status, 200, "{release:?}");
        let viewer = Player::new().await.unwrap();
        let offered = sdk.post("").await;
        assert_eq!(offered.status, 201, "{release:?}: {}", offered.text());
        let answer = viewer.accept(&offered.text()).await.unwrap();
        // Any 2xx will do.
        assert!(sdk.answer(&answer).await.status.is_success(), "{release:?}");
        assert!(sdk.trickle().await.status.is_success(), "{release:?}");
        viewer.wait_for_frames(5, SOON).await.unwrap();
        assert!(sdk.delete().await.status.is_success(), "{release:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_posts_lookup_combines_its_hints_with_those_of_the_options() {
    let node = |last: u8, region: &str| NodeConfig {
        region: region.into(),
        ..NodeConfig::new([127, 0, 0, last].into())
    };
    let deployment = Deployment::with(Config {
        nodes: vec![node(2, "us"), node(3, "eu")],
        ..Config::default()
    })
    .await;
    let proxy = deployment.proxy();
    let params = "transcode=true&region=eu&strict=true";
    let mut sdk = Sdk::publisher(&proxy.h1, Release::V11, "s1", params);
    assert_eq!(sdk.options().await.status, 200);
    let publisher = Publisher::new().await.unwrap();
    let created = sdk.post(&publisher.offer().await.unwrap()).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let questions = deployment.cluster.seen().lookup_targets();
    assert_eq!(questions.len(), 2, "{questions:?}");
    for hint in ["transcode=true", "region=eu", "strict=true"] {
        assert!(questions[1].contains(hint), "{questions:?}");
    }
    assert!(way(&deployment).contains(&("POST".into(), Server::Node(1))));
}

#[tokio::test(flavor = "multi_thread")]
async fn players_that_ask_at_once_are_spread_and_each_stays_where_it_asked() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.lookup.play_uses = 1;
    let proxy = deployment.proxy_with(config);
    let mut publisher = Sdk::publisher(&proxy.h1, Release::V11, "s1", "");
    let peer = Publisher::new().await.unwrap();
    let created = publisher.post(&peer.offer().await.unwrap()).await;
    assert_eq!(created.status, 201);
    peer.answer(&created.text()).await.unwrap();
    peer.wait_connected(SOON).await.unwrap();
    deployment.cluster.seen().clear();

    let ids: Vec<String> = (0..6)
        .map(|number| format!("subscriber-{number}"))
        .collect();
    let player = |id: &String| Sdk::player(&proxy.h1, Release::V11, "s1", id);
    let mut players: Vec<Sdk> = ids.iter().map(player).collect();
    for sdk in &mut players {
        sdk.options().await;
    }
    for sdk in players.iter_mut().rev() {
        sdk.post("").await;
    }
    let asked = asked(&deployment);
    let places = |id: &str| -> Vec<Server> {
        let its = |request: &&SeenRequest| request.target.contains(&format!("={id}&"));
        asked
            .iter()
            .filter(its)
            .map(|request| request.server)
            .collect()
    };
    for id in &ids {
        let places = places(id);
        assert_eq!(places.len(), 2, "{id}: {asked:?}");
        assert_eq!(places[0], places[1], "{id}");
    }
    assert_ne!(places(&ids[0])[0], places(&ids[1])[0], "spread as ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_after_its_options_is_failed_over_like_any_other() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let mut sdk = Sdk::publisher(&proxy.h1, Release::V15, "s1", "");
    sdk.options().await;
    let Some((_, Server::Node(first))) = way(&deployment).pop() else {
        panic!("no node was asked")
    };
    deployment.cluster.nodes()[first].die().await;
    let publisher = Publisher::new().await.unwrap();
    let created = sdk.post(&publisher.offer().await.unwrap()).await;
    assert_eq!(created.status, 201, "{}", created.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_no_client_gets_the_node_of_another() {
    let deployment = Deployment::with(Config {
        provisions: vec![StreamKey::new("live", "s1")],
        ..Config::default()
    })
    .await;
    let proxy = deployment.proxy();
    let request = |method, target, body| {
        let request = Request::builder().method(method).uri(target);
        request
            .header("x-forwarded-for", "192.0.2.1")
            .header("content-type", "application/sdp")
            .body(body)
            .unwrap()
    };
    let target = "/live/whip/endpoint/s1";
    let transcoded = "/live/whip/endpoint/s1?transcode=true";
    proxy.h1.send(request("OPTIONS", transcoded, "")).await;
    proxy.h1.send(request("POST", target, "v=0")).await;
    let seen = deployment.cluster.seen();
    assert_eq!(seen.lookups(Action::Broadcast, "live", "s1"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_host_is_an_opaque_handle_that_leads_back() {
    let deployment = Deployment::start().await;
    let (proxy, other) = (deployment.proxy(), {
        let mut config = deployment.config();
        // Clients cannot be distinguished here: only the handle leads back.
        config.sessions.by_client = false;
        config.lookup.play_uses = 1;
        deployment.proxy_with(config)
    });
    let mut sdk = Sdk::publisher(&proxy.h1, Release::V12_2, "s1", "");
    let options = sdk.options().await;
    let handle = options.header("session-host").to_owned();
    assert!(
        options
            .header("access-control-expose-headers")
            .contains("Session-Host")
    );
    let unreserved = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    assert!(handle.len() > 40, "{handle}");
    assert!(handle.chars().all(unreserved), "{handle}");
    let peer = Publisher::new().await.unwrap();
    let created = sdk.post(&peer.offer().await.unwrap()).await;
    assert_eq!(created.status, 201);
    assert!(!created.header("session-host").is_empty());
    peer.answer(&created.text()).await.unwrap();
    peer.wait_connected(SOON).await.unwrap();

    // It is neither a token, nor another stream's, nor one that was altered.
    let session = format!("/live/whip/resource/s1/{handle}");
    assert_eq!(proxy.h1.bare("DELETE", &session).await.status, 404);
    for (stream, host) in [
        ("s2", handle.clone()),
        ("s1", handle.replacen(&handle[20..21], "~", 1)),
    ] {
        let target = format!("/live/whip/endpoint/{stream}?host={host}");
        let refused = proxy.h1.sdp("POST", &target, "v=0").await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (400, "bad-query")
        );
    }

    // Each player goes back to where its OPTIONS was, although the manager would send the next one
    // elsewhere.
    deployment.cluster.seen().clear();
    let player = |number| Sdk::player(&other.h1, Release::V15, "s1", &format!("p{number}"));
    let mut players: Vec<Sdk> = (0..4).map(player).collect();
    for sdk in &mut players {
        assert_eq!(sdk.options().await.status, 200);
    }
    for (number, sdk) in players.iter_mut().enumerate().rev() {
        if let Some(host) = sdk.host.as_mut().filter(|_| number == 0) {
            // Percent-encoded is the same.
            *host = host.replace('A', "%41").replace('-', "%2d");
        }
        assert_eq!(sdk.post("").await.status, 201);
        assert!(sdk.delete().await.status.is_success());
    }
    let asked = asked(&deployment);
    for number in 0..4 {
        let id = format!("p{number}");
        let its = |request: &&SeenRequest| request.target.contains(&id);
        let places: Vec<Server> = asked
            .iter()
            .filter(its)
            .map(|request| request.server)
            .collect();
        assert_eq!(places.len(), 3, "{asked:?}");
        assert!(places.iter().all(|place| *place == places[0]), "{asked:?}");
    }
    assert!(
        asked
            .iter()
            .all(|request| !request.target.contains("host="))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_may_leave_out_the_word() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let mut sdk = Sdk::new(&proxy.h1, Release::V15, "/live/whip/s1", "token=a%2Fb=");
    assert_eq!(sdk.options().await.status, 200);
    let peer = Publisher::new().await.unwrap();
    let created = sdk.post(&peer.offer().await.unwrap()).await;
    assert_eq!(created.status, 201, "{}", created.text());
    peer.answer(&created.text()).await.unwrap();
    assert!(sdk.trickle().await.status.is_success());
    assert_eq!(sdk.delete().await.status, 200);
    let asked = asked(&deployment);
    let endpoint = "/live/whip/endpoint/s1?signal=true&token=a%2Fb=";
    assert!(asked[1].target.starts_with(endpoint), "{asked:?}");
    assert!(
        asked
            .iter()
            .all(|request| request.server == asked[0].server)
    );
    // A page of that name belongs to the manager.
    assert_eq!(proxy.h1.get("/live/whip/s1").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_socket_of_a_firefox_that_gave_up_on_the_first_lives_and_the_first_ends() {
    let (deployment, node) = (Deployment::start().await, RawNode::start(7).await);
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec![node.addr().ip().into()];
    let proxy = deployment.proxy_with(config);
    // `app` is decoded once; keys that mean nothing here, and the `id` of `connectionParams` after
    // the SDK's own, reach the node as they are (red5pro-webrtc-sdk 11.0.0; example page with the
    // whole lookup in its `connectionParams`).
    let target =
        "/streammanager/?id=s1&name=s1&scope=%2Flive&id=s1&host=127.0.0.7&app=live%2Froom1";
    let open = async || {
        let (client, node) = tokio::join!(raw(&proxy.h1, target, ""), node.accept(""));
        assert!(client.0.starts_with("HTTP/1.1 101"), "{}", client.0);
        let asked = "GET /live/room1/?id=s1&name=s1&scope=%2Flive&id=s1 HTTP/1.1";
        assert!(node.0.starts_with(asked), "{}", node.0);
        (client.1, node.1)
    };
    let (orphan, mut orphans_node) = open().await;
    let (mut client, mut clients_node) = open().await;
    proxy.until_metric("whipstitch_sockets_open", 2.0).await;
    // The page drops the first one.
    drop(orphan);
    let mut rest = Vec::new();
    orphans_node.read_to_end(&mut rest).await.unwrap();
    proxy.until_metric("whipstitch_sockets_open", 1.0).await;
    clients_node.write_all(b"\x81\x02ok").await.unwrap();
    let mut frame = [0; 4];
    client.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x02ok");
}
