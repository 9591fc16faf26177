//! Red5's Conference SDK on its SDK 15: each participant publishes a camera, and a screen beside
//! it.

use whipstitch_minicluster::{
    Server,
    peer::{Player, Publisher},
};
use whipstitch_signaling::Api;
use whipstitch_tests::{
    Deployment, Proxy,
    deployment::SOON,
    sdk::{Release, Sdk},
};

async fn scene() -> (Deployment, Proxy) {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.stream_manager.api = Api::V2;
    let proxy = deployment.proxy_with(config);
    (deployment, proxy)
}

fn sessions(deployment: &Deployment) -> usize {
    let nodes = deployment.cluster.nodes().iter();
    nodes.map(whipstitch_minicluster::Node::sessions).sum()
}

/// `WHIPClient` of the Conference SDK: any URL, `nodeGroup`, and `capabilities=4` without media.
async fn publish(proxy: &Proxy, stream: &str, params: &str) -> (Sdk, Publisher) {
    let path = format!("/as/v1/proxy/whip/live/{stream}");
    let params = format!("nodeGroup=default{params}");
    let mut sdk = Sdk::new(&proxy.h2, Release::V15, &path, &params);
    assert_eq!(sdk.options().await.status, 200);
    let peer = Publisher::new().await.unwrap();
    let created = sdk.post(&peer.offer().await.unwrap()).await;
    assert_eq!(created.status, 201, "{}", created.text());
    peer.answer(&created.text()).await.unwrap();
    assert!(sdk.trickle().await.status.is_success());
    peer.wait_connected(SOON).await.unwrap();
    (sdk, peer)
}

fn player(proxy: &Proxy, stream: &str, id: &str) -> Sdk {
    let path = format!("/as/v1/proxy/whep/live/{stream}?requestId={id}");
    Sdk::new(&proxy.h1, Release::V15, &path, "nodeGroup=default")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conference_publishes_a_camera_and_a_screen_beside_it() {
    let (deployment, proxy) = scene().await;
    let (camera, _first) = publish(&proxy, "alice", "&capabilities=4").await;
    let (screen, _second) = publish(&proxy, "alice-screenshare", "").await;
    assert_eq!(sessions(&deployment), 2);
    for stream in ["alice", "alice-screenshare"] {
        let viewer = Player::new().await.unwrap();
        let mut sdk = player(&proxy, stream, "subscriber-1");
        assert_eq!(sdk.options().await.status, 200, "{stream}");
        let offered = sdk.post("").await;
        assert_eq!(offered.status, 201, "{stream}: {}", offered.text());
        let answer = viewer.accept(&offered.text()).await.unwrap();
        assert_eq!(sdk.answer(&answer).await.status, 204);
        viewer.wait_for_frames(5, SOON).await.unwrap();
        assert!(sdk.delete().await.status.is_success());
    }
    // Parameters for the node reach it, and those that it must not get do not.
    let asked = deployment.cluster.seen().lookup_targets();
    assert!(
        asked
            .iter()
            .all(|question| !question.contains("capabilities")),
        "{asked:?}"
    );
    let seen = deployment.cluster.seen().requests();
    let of_nodes = |server| matches!(server, Server::Node(_));
    let posts = seen
        .iter()
        .filter(|request| of_nodes(request.server) && request.method == "POST");
    let with = posts.filter(|request| request.target.contains("capabilities=4"));
    assert_eq!(with.count(), 1);

    // The screen ends, the camera stays; then the screen may be shared again.
    assert_eq!(screen.delete().await.status, 200);
    assert_eq!(sessions(&deployment), 1);
    let (screen, _third) = publish(&proxy, "alice-screenshare", "").await;
    assert_eq!(camera.delete().await.status, 200);
    assert_eq!(screen.delete().await.status, 200);
    assert_eq!(sessions(&deployment), 0);
}
