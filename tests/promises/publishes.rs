//! The manager is asked for every publish, and players find a new publish at once.

use std::time::Duration;

use serde_json::{Value, json};
use whipstitch::config::Config;
use whipstitch_minicluster::{Action, Config as ClusterConfig, Lie, StreamKey, peer::Publisher};
use whipstitch_tests::{Deployment, Proxy, http::path_of, websocket::Dialogue};

const WHIP: &str = "/live/whip/endpoint/s1";
const WHEP: &str = "/live/whep/endpoint/s1";

/// A cache that outlasts every test.
fn lasting(deployment: &Deployment) -> Config {
    let mut config = deployment.config();
    config.lookup.negative_ttl = Duration::from_mins(1);
    config.lookup.play_ttl = Duration::from_mins(1);
    config
}

fn publish_lookups(deployment: &Deployment) -> u64 {
    let seen = deployment.cluster.seen();
    seen.lookups(Action::Broadcast, "live", "s1")
}

/// Publishes by one POST; the session's URL.
async fn publish(proxy: &Proxy, target: &str) -> String {
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let created = proxy.h1.sdp("POST", target, &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    path_of(created.header("location"))
}

async fn play(proxy: &Proxy) -> u16 {
    proxy.h1.bare("OPTIONS", WHEP).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_two_transcoded_publishes_is_a_lookup_of_its_own() {
    let deployment = Deployment::with(ClusterConfig {
        provisions: vec![StreamKey::new("live", "s1")],
        ..ClusterConfig::default()
    })
    .await;
    let proxy = deployment.proxy_with(lasting(&deployment));
    let target = format!("{WHIP}?transcode=true");
    for lookups in 1..=2 {
        let session = publish(&proxy, &target).await;
        assert_eq!(publish_lookups(&deployment), lookups);
        assert_eq!(proxy.h1.bare("DELETE", &session).await.status, 200);
    }
    // An OPTIONS and the POST of the same client after it are one.
    assert_eq!(proxy.h1.bare("OPTIONS", &target).await.status, 200);
    publish(&proxy, &target).await;
    assert_eq!(publish_lookups(&deployment), 3);
    let asked = deployment.cluster.seen().lookup_targets();
    assert!(
        asked
            .iter()
            .all(|asked| asked == "live/s1?action=broadcast&transcode=true"),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_publisher_is_not_refused_again_from_the_cache() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy_with(lasting(&deployment));
    let manager = deployment.cluster.manager();
    manager.lie(Lie::ErrorMessage("no capacity".into()));
    for lookups in 1..=2 {
        let refused = proxy.h1.sdp("POST", WHIP, "v=0").await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (503, "no-node")
        );
        assert_eq!(publish_lookups(&deployment), lookups);
    }
    manager.heal().await;
    publish(&proxy, WHIP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_not_live_plays_once_it_is_published_by_whip() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy_with(lasting(&deployment));
    for _ in 0..2 {
        assert_eq!(play(&proxy).await, 409);
    }
    let seen = deployment.cluster.seen();
    let plays = || seen.lookups(Action::Subscribe, "live", "s1");
    assert_eq!(plays(), 1, "that it is not live is remembered");
    publish(&proxy, WHIP).await;
    assert_eq!(play(&proxy).await, 200);
    assert_eq!(plays(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_not_live_plays_once_it_is_published_by_websocket() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy_with(lasting(&deployment));
    assert_eq!(play(&proxy).await, 409);
    let node = deployment.cluster.nodes()[0].ip();
    let target = format!("/streammanager/?id=s1&host={node}&app=live");
    let mut dialogue = Dialogue::open(&proxy.h1, &target).await.unwrap();
    dialogue.receive().await;
    // The stream does not exist before its offer, and that answer is not cached.
    assert_eq!(play(&proxy).await, 409);
    let publisher = Publisher::with_data_channel().await.unwrap();
    let offer = json!({"sdp": {"type": "offer", "sdp": publisher.offer().await.unwrap()}});
    dialogue
        .send(json!({"handleOffer": "s1", "transport": "udp", "data": offer}))
        .await;
    let answer = dialogue
        .receive_until(|frame| frame["data"]["sdp"]["type"] == "answer")
        .await;
    let answer = answer["data"]["sdp"]["sdp"].as_str().unwrap().to_owned();
    publisher.answer(&answer).await.unwrap();
    let end = json!({"candidate": {"type": "candidate", "candidate": ""}});
    dialogue
        .send(json!({"handleCandidate": "s1", "data": end}))
        .await;
    dialogue
        .send(json!({"publish": "s1", "mode": "live"}))
        .await;
    let available = |frame: &Value| frame["data"]["code"] == "NetConnection.DataChannel.Available";
    dialogue.receive_until(available).await;
    assert_eq!(play(&proxy).await, 200);
}
