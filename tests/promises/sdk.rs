//! Red5's HTML SDK, 11 to 15: `OPTIONS`, `POST`, `PATCH` and `DELETE` are of one node.

use http::Request;
use whipstitch_minicluster::{
    Action, Config, NodeConfig, SeenRequest, Server, StreamKey, peer::Publisher,
};
use whipstitch_tests::{
    Deployment,
    deployment::SOON,
    sdk::{Release, Sdk, ice_server},
};

/// What the nodes were asked, in order.
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
        // `transcode` leads to the last node; without it the first would be named.
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

#[tokio::test(flavor = "multi_thread")]
async fn what_the_post_adds_is_asked_together_with_what_the_options_asked() {
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
    let questions = deployment.cluster.seen().asked();
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
async fn behind_a_forwarder_nobody_gets_the_node_of_another() {
    let deployment = Deployment::with(Config {
        provisions: vec![StreamKey::new("live", "s1")],
        ..Config::default()
    })
    .await;
    let proxy = deployment.proxy();
    let request = |method, target| {
        let request = Request::builder().method(method).uri(target);
        request
            .header("x-forwarded-for", "192.0.2.1")
            .header("content-type", "application/sdp")
            .body("v=0")
            .unwrap()
    };
    let target = "/live/whip/endpoint/s1";
    let transcoded = "/live/whip/endpoint/s1?transcode=true";
    proxy.h1.send(request("OPTIONS", transcoded)).await;
    proxy.h1.send(request("POST", target)).await;
    let seen = deployment.cluster.seen();
    assert_eq!(seen.lookups(Action::Broadcast, "live", "s1"), 2);
}
