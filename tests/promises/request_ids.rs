//! A player chooses its `requestId` itself, four hexadecimal digits (red5pro-webrtc-sdk 11.0.0), so
//! two players may choose the same; a node identifies its sessions by nothing else. They do not
//! cross.

use std::fs;

use http::Request;
use whipstitch_minicluster::peer::{Player, Publisher};
use whipstitch_tests::{
    Client, Deployment, Proxy,
    http::{Reply, path_of},
};

const ID: &str = "subscriber-1b31";

/// Two replicas with one key, in front of a cluster where these streams are live.
async fn replicas(streams: &[&str]) -> (Deployment, [Proxy; 2], Vec<Publisher>) {
    let deployment = Deployment::start().await;
    let path = deployment.certificate.file("session.key");
    fs::write(&path, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    let replica = || {
        let mut config = deployment.config();
        config.sessions.key_file = Some(path.clone());
        deployment.proxy_with(config)
    };
    let proxies = [replica(), replica()];
    let mut publishers = Vec::new();
    for stream in streams {
        let publisher = Publisher::new().await.unwrap();
        let offer = publisher.offer().await.unwrap();
        let target = format!("/live/whip/endpoint/{stream}");
        let created = proxies[0].h1.sdp("POST", &target, &offer).await;
        assert_eq!(created.status, 201, "{}", created.text());
        publisher.answer(&created.text()).await.unwrap();
        publishers.push(publisher);
    }
    (deployment, proxies, publishers)
}

/// How many sessions there are at all nodes.
fn sessions(deployment: &Deployment) -> usize {
    let nodes = deployment.cluster.nodes().iter();
    nodes.map(whipstitch_minicluster::Node::sessions).sum()
}

/// Requests an offer of the node.
async fn play(client: &Client, stream: &str) -> Reply {
    let target = format!("/live/whep/endpoint/{stream}?requestId={ID}&signal=true");
    client.bare("POST", &target).await
}

async fn patch(client: &Client, session: &str, sdp: String) -> Reply {
    let request = Request::patch(session).header("content-type", "application/sdp");
    client.send(request.body(sdp).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn players_of_two_streams_with_one_id_have_a_session_each() {
    let (deployment, [first, second], publishers) = replicas(&["a", "b"]).await;
    let (a, b) = tokio::join!(play(&first.h1, "a"), play(&second.h2, "b"));
    let mut players = Vec::new();
    for created in [&a, &b] {
        assert_eq!(created.status, 201, "{}", created.text());
        let player = Player::new().await.unwrap();
        let answer = player.accept(&created.text()).await.unwrap();
        // Each through the other replica, and with the id in the query again, as the SDK writes it.
        let session = path_of(created.header("location"));
        let patched = patch(&first.plain, &format!("{session}?requestId={ID}"), answer).await;
        assert_eq!(patched.status, 204, "{}", patched.text());
        players.push((player, session));
    }
    assert_eq!(sessions(&deployment), publishers.len() + 2);
    let [(_, of_a), (player, of_b)] = &players[..] else {
        panic!("two players")
    };
    // The session of one is none of the other's stream.
    let crossed = of_a.replace("/a/", "/b/");
    assert_eq!(first.h1.bare("DELETE", &crossed).await.status, 404);
    assert_eq!(second.h1.bare("DELETE", of_a).await.status, 200);
    assert_eq!(sessions(&deployment), publishers.len() + 1);
    let soon = whipstitch_tests::deployment::SOON;
    player.wait_for_frames(3, soon).await.unwrap();
    assert_eq!(first.h1.bare("DELETE", of_b).await.status, 200);
    assert_eq!(sessions(&deployment), publishers.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn players_of_one_stream_with_one_id_never_share_a_session() {
    let (deployment, [first, second], publishers) = replicas(&["a"]).await;
    let asked = (0..6).map(|number| {
        let client = if number % 2 == 0 {
            &first.h1
        } else {
            &second.h2
        };
        play(client, "a")
    });
    let asked = futures_util::future::join_all(asked).await;
    let (made, refused): (Vec<_>, Vec<_>) = asked.iter().partition(|reply| reply.status == 201);
    // A node takes the id once (Red5 Pro documentation, WHEP: 400 for a double POST), and its
    // answer is passed on.
    assert!(!made.is_empty());
    assert!(made.len() <= deployment.cluster.nodes().len());
    assert!(refused.iter().all(|reply| reply.status == 400));
    assert_eq!(sessions(&deployment), publishers.len() + made.len());
    let mut left = made.len();
    for reply in made {
        let session = path_of(reply.header("location"));
        assert_eq!(second.h1.bare("DELETE", &session).await.status, 200);
        left -= 1;
        assert_eq!(sessions(&deployment), publishers.len() + left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_players_url_does_not_reach_the_next_one_of_its_id() {
    let mut config = whipstitch_minicluster::Config::default();
    config.nodes.truncate(1);
    let deployment = Deployment::with(config).await;
    let proxy = deployment.proxy();
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let target = "/live/whip/endpoint/a";
    assert_eq!(proxy.h1.sdp("POST", target, &offer).await.status, 201);
    let before = path_of(play(&proxy.h1, "a").await.header("location"));
    assert_eq!(proxy.h1.bare("DELETE", &before).await.status, 200);
    let after = path_of(play(&proxy.h2, "a").await.header("location"));
    // Pages send DELETE twice, from `beforeunload` and from `pagehide`.
    assert_eq!(proxy.h1.bare("DELETE", &before).await.status, 404);
    let answer = patch(&proxy.h1, &before, "v=0".into()).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.problem()),
        (404, "unknown-session")
    );
    assert_eq!(sessions(&deployment), 2);
    assert_eq!(proxy.h1.bare("DELETE", &after).await.status, 200);
    assert_eq!(sessions(&deployment), 1);
}
