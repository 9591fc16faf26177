//! Real media: published through the proxy, played through the proxy, frames counted at the player.

use std::net::IpAddr;

use serde_json::json;
use whipstitch_minicluster::{
    Server,
    peer::{Player, Publisher},
};
use whipstitch_tests::{Client, Deployment, deployment::SOON, http::path_of, websocket::Dialogue};

const FRAMES: u64 = 20;

/// Publishes by WHIP; the session's URL.
async fn publish(client: &Client, publisher: &Publisher, stream: &str) -> String {
    let offer = publisher.offer().await.unwrap();
    let target = format!("/live/whip/endpoint/{stream}?signal=true&mode=live&keyFramerate=3000");
    let created = client.sdp("POST", &target, &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    publisher.answer(&created.text()).await.unwrap();
    publisher.wait_connected(SOON).await.unwrap();
    path_of(created.header("location"))
}

/// Plays by WHEP as Red5 speaks it: the 201 is an offer, the answer goes by PATCH; the session's
/// URL.
async fn play(client: &Client, player: &Player, stream: &str) -> String {
    let target = format!(
        "/live/whep/endpoint/{stream}?requestId=subscriber-1b31&signal=true&doNotSwitch=false"
    );
    let created = client
        .sdp("POST", &target, &player.offer().await.unwrap())
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
    let proxy = deployment.proxy();
    for (client, stream) in [
        (&proxy.h1, "over-h1"),
        (&proxy.h2, "over-h2"),
        (&proxy.plain, "over-plain"),
    ] {
        let (publisher, player) = (
            Publisher::new().await.unwrap(),
            Player::new().await.unwrap(),
        );
        let publishing = publish(client, &publisher, stream).await;
        let playing = play(client, &player, stream).await;
        let counts = player.wait_for_frames(FRAMES, SOON).await.unwrap();
        assert!(counts.audio >= FRAMES, "{counts:?}");
        assert!(counts.video >= FRAMES, "{counts:?}");
        assert!(counts.keyframes > 0, "{counts:?}");

        assert_eq!(client.bare("DELETE", &playing).await.status, 200);
        assert_eq!(client.bare("DELETE", &publishing).await.status, 200);
        publisher.wait_ended(SOON).await.unwrap();
        assert_eq!(
            client.bare("DELETE", &publishing).await.status,
            417,
            "the node's own answer: it is over"
        );
    }
    for node in deployment.cluster.nodes() {
        assert_eq!(node.sessions(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_in_socket_out() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let publisher = Publisher::with_data_channel().await.unwrap();
    let published_on = publish_by_socket(&proxy.h1, &publisher).await;
    let player = Player::new().await.unwrap();
    let mut dialogue = play_by_socket(&proxy.h1, &player).await;
    let counts = player.wait_for_frames(FRAMES, SOON).await.unwrap();
    assert!(counts.keyframes > 0, "{counts:?}");
    let node = deployment.cluster.node_at(published_on).unwrap();
    assert!(node.sessions() > 0);
    let upgraded = deployment
        .cluster
        .seen()
        .requests_to(Server::Node(node.index()));
    assert!(
        upgraded
            .iter()
            .any(|request| request.target == "/live/?id=socket1"),
        "{upgraded:?}"
    );
    dialogue
        .send(json!({"log": "INFO", "message": "done"}))
        .await;
    dialogue.close().await;
}

async fn lookup(client: &Client, action: &str) -> IpAddr {
    let target = format!("/streammanager/api/4.0/event/live/socket1?action={action}");
    let answer: serde_json::Value =
        serde_json::from_slice(&client.get(&target).await.body).unwrap();
    answer["serverAddress"].as_str().unwrap().parse().unwrap()
}

/// The publisher's dialogue of red5pro-webrtc-sdk 11.0.0, to the switch to the data channel.
async fn publish_by_socket(client: &Client, publisher: &Publisher) -> IpAddr {
    let node = lookup(client, "broadcast").await;
    let target = format!("/streammanager/?id=socket1&host={node}&app=live");
    let mut dialogue = Dialogue::open(client, &target).await.unwrap();
    assert_eq!(
        dialogue.receive().await["data"]["code"],
        "NetConnection.Connect.Success"
    );
    dialogue
        .send(json!({"isAvailable": "socket1", "bundle": true}))
        .await;
    assert_eq!(dialogue.receive().await["isAvailable"], false);
    let offer = json!({"sdp": {"type": "offer", "sdp": publisher.offer().await.unwrap()}});
    dialogue
        .send(json!({"handleOffer": "socket1", "transport": "udp", "data": offer}))
        .await;
    let answer = dialogue
        .receive_until(|frame| frame["data"]["sdp"]["type"] == "answer")
        .await;
    publisher
        .answer(answer["data"]["sdp"]["sdp"].as_str().unwrap())
        .await
        .unwrap();
    end_candidates(&mut dialogue).await;
    dialogue
        .send(json!({"publish": "socket1", "mode": "live", "keyFramerate": 3000}))
        .await;
    let available =
        |frame: &serde_json::Value| frame["data"]["code"] == "NetConnection.DataChannel.Available";
    dialogue.receive_until(available).await;
    // The last frame, and the Close right after it: without the frame the node would end the
    // stream.
    dialogue.send(json!({"switchChannel": "red5pro"})).await;
    dialogue.close().await;
    node
}

/// No more candidates from this side, and none from the other.
async fn end_candidates(dialogue: &mut Dialogue) {
    let end = json!({"candidate": {"type": "candidate", "candidate": ""}});
    dialogue
        .send(json!({"handleCandidate": "socket1", "data": end}))
        .await;
    dialogue
        .receive_until(|frame| frame["data"]["code"] == "NetConnection.ICE.TrickleCompleted")
        .await;
}

/// The subscriber's dialogue, kept on the WebSocket.
async fn play_by_socket(client: &Client, player: &Player) -> Dialogue {
    let node = lookup(client, "subscribe").await;
    let target = format!("/streammanager?id=subscriber-1b31&host={node}&app=live");
    let mut dialogue = Dialogue::open(client, &target).await.unwrap();
    assert_eq!(
        dialogue.receive().await["data"]["code"],
        "NetConnection.Connect.Success"
    );
    dialogue.send(json!({"isAvailable": "socket1"})).await;
    assert_eq!(dialogue.receive().await["isAvailable"], true);
    let request = json!({"requestOffer": "socket1", "requestId": "subscriber-1b31", "transport": "udp",
        "datachannel": false, "doNotSwitch": true});
    dialogue.send(request).await;
    let offer = dialogue
        .receive_until(|frame| frame["data"]["sdp"]["type"] == "offer")
        .await;
    let answer = player
        .accept(offer["data"]["sdp"]["sdp"].as_str().unwrap())
        .await
        .unwrap();
    let answer = json!({"sdp": {"type": "answer", "sdp": answer}});
    dialogue
        .send(json!({"handleAnswer": "socket1", "requestId": "subscriber-1b31", "data": answer}))
        .await;
    end_candidates(&mut dialogue).await;
    dialogue
        .send(json!({"subscribe": "socket1", "requestId": "subscriber-1b31"}))
        .await;
    dialogue
}
