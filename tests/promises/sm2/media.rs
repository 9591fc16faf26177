//! Publishing and playing by the URLs of Stream Manager 2.0, with real media.

use super::*;

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
        deployment.cluster.seen().lookup_targets(),
        ["default/publish/live/s1?"]
    );
    // The same session behind the other form of its URL: the token belongs to the stream, not to
    // the spelling.
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
    let not_live = target.replace("socket1", "missing");
    assert_eq!(over_h2(&proxy.h2, &not_live).await.0.status(), 409);
    let plain = proxy.h1.get(target).await;
    assert_eq!(
        (plain.status.as_u16(), &*plain.problem()),
        (400, "bad-handshake")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_without_a_host_moves_to_the_second_node_if_the_first_refuses_it() {
    let deployment = Deployment::start().await;
    let proxy = proxy(&deployment);
    let nodes = deployment.cluster.nodes();
    let both = nodes.iter().take(2).map(|node| node.ip().to_string());
    let named = Lie::ServerAddresses(both.collect());
    deployment.cluster.manager().lie(named);
    nodes[0].fail(Fault::Refuse).await;

    let target = "/as/v1/proxy/ws/publish/live/s1?id=s1";
    let mut dialogue = Dialogue::open(&proxy.h1, target).await.unwrap();
    assert_eq!(
        dialogue.receive().await["data"]["code"],
        "NetConnection.Connect.Success"
    );
    dialogue.close().await;
    let seen = deployment.cluster.seen();
    let upgrades = |node| seen.received(Server::Node(node), &Method::GET);
    assert_eq!((upgrades(0), upgrades(1)), (0, 1));
    assert!((proxy.metric("whipstitch_failovers_total").await - 1.0).abs() < 0.5);

    // A node that the client names gets it, or no node does.
    let named = format!("{target}&host={}", nodes[0].ip());
    let (head, _) = raw(&proxy.h1, &named, "").await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    assert_eq!(upgrades(1), 1);
}

/// The publisher's dialogue of red5pro-webrtc-sdk 14, to the switch to the data channel.
async fn publish_by_socket(client: &Client, publisher: &Publisher) {
    let target =
        "/as/v1/proxy/ws/publish/live/socket1?id=socket1&nodeGroup=minicluster&token=x%2Fy";
    let mut dialogue = Dialogue::open(client, target).await.unwrap();
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
    let answer = answer["data"]["sdp"]["sdp"].as_str().unwrap().to_owned();
    publisher.answer(&answer).await.unwrap();
    end_candidates(&mut dialogue).await;
    dialogue
        .send(json!({"publish": "socket1", "mode": "live", "keyFramerate": 3000}))
        .await;
    let available = |frame: &Value| frame["data"]["code"] == "NetConnection.DataChannel.Available";
    dialogue.receive_until(available).await;
    dialogue.send(json!({"switchChannel": "red5pro"})).await;
    dialogue.close().await;
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
async fn play_by_socket(client: &Client, player: &Player, host: &str) -> Dialogue {
    let target = format!("/as/v1/proxy/ws/subscribe/live/socket1?id=subscriber-1b31{host}");
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
