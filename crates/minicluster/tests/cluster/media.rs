//! WHIP to one node, WHEP from another, and what they answer to invalid requests.

use whipstitch_minicluster::peer::{Player, Publisher};
use whipstitch_minicluster::{Cluster, Config};

use crate::client::{SOON, send};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

pub(crate) async fn publish(cluster: &Cluster, node: usize, stream: &str) -> Publisher {
    let publisher = Publisher::new().await.unwrap();
    let base = format!("http://{}", cluster.nodes()[node].address());
    let url = format!("{base}/live/whip/endpoint/{stream}?signal=true");
    let created = send("POST", &url, SDP, &publisher.offer().await.unwrap())
        .await
        .unwrap();
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(created.location(), format!("/live/whip/resource/{stream}"));
    publisher.answer(&created.text()).await.unwrap();
    publisher
}

#[tokio::test]
async fn published_to_one_node_played_from_another() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let publisher = publish(&cluster, 0, "s").await;
    publisher.wait_connected(SOON).await.unwrap();
    let origin = format!("http://{}", cluster.nodes()[0].address());
    let edge = format!("http://{}", cluster.nodes()[1].address());

    // The player's own offer is answered with an offer, and discarded.
    let player = Player::new().await.unwrap();
    let endpoint = format!("{edge}/live/whep/endpoint/s?requestId=subscriber-1");
    let created = send("POST", &endpoint, SDP, &player.offer().await.unwrap())
        .await
        .unwrap();
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(created.location(), "/live/whep/resource/s");
    assert!(
        created.text().contains("a=setup:actpass"),
        "{}",
        created.text()
    );
    assert_eq!(send("POST", &endpoint, SDP, "").await.unwrap().status, 400);

    let resource = format!("{edge}{}?requestId=subscriber-1", created.location());
    let answer = player.accept(&created.text()).await.unwrap();
    assert_eq!(
        send("PATCH", &resource, SDP, &answer).await.unwrap().status,
        204
    );
    let fragment = format!(
        "a=ice-ufrag:x\r\na={}\r\na=end-of-candidates\r\n",
        player.candidate()
    );
    assert_eq!(
        send("PATCH", &resource, FRAGMENT, &fragment)
            .await
            .unwrap()
            .status,
        204
    );
    let counted = player.wait_for_frames(20, SOON).await.unwrap();
    assert!(counted.keyframes > 0);
    assert!(publisher.counts().keyframe_requests > 0);
    assert_eq!(
        (cluster.nodes()[0].sessions(), cluster.nodes()[1].sessions()),
        (1, 1)
    );

    // The resource belongs to its node and its request id.
    assert_eq!(
        send(
            "DELETE",
            &format!("{edge}/live/whep/resource/s?requestId=other"),
            "",
            ""
        )
        .await
        .unwrap()
        .status,
        404
    );
    assert_eq!(
        send("DELETE", &format!("{edge}/live/whip/resource/s"), "", "")
            .await
            .unwrap()
            .status,
        417
    );

    // The publisher's end is the player's.
    let whip = format!("{origin}/live/whip/resource/s");
    assert_eq!(
        send("PATCH", &whip, FRAGMENT, "a=end-of-candidates\r\n")
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(send("DELETE", &whip, "", "").await.unwrap().status, 200);
    publisher.wait_ended(SOON).await.unwrap();
    player.wait_ended(SOON).await.unwrap();
    assert_eq!(send("DELETE", &resource, "", "").await.unwrap().status, 404);
    cluster.shutdown().await;
}

#[tokio::test]
async fn an_empty_offer_and_a_standard_player() {
    let cluster = Cluster::start(Config {
        whep_answers: true,
        media_address: Some([127, 0, 0, 1].into()),
        ..Config::default()
    })
    .await
    .unwrap();
    let publisher = publish(&cluster, 0, "s").await;
    let node = format!("http://{}", cluster.nodes()[0].address());

    let polite = Player::new().await.unwrap();
    let created = send("POST", &format!("{node}/live/whep/endpoint/s"), "", "")
        .await
        .unwrap();
    assert_eq!(created.status, 201);
    assert!(created.text().contains(" udp 2130706175 127.0.0.1 "));
    let answer = polite.accept(&created.text()).await.unwrap();
    let resource = format!("{node}{}", created.location());
    assert_eq!(
        send("PATCH", &resource, SDP, &answer).await.unwrap().status,
        204
    );

    let standard = Player::new().await.unwrap();
    let offer = standard.offer().await.unwrap();
    let created = send("POST", &format!("{node}/live/whep/endpoint/s"), SDP, &offer)
        .await
        .unwrap();
    assert_eq!(created.status, 201);
    standard.answer(&created.text()).await.unwrap();

    polite.wait_for_frames(5, SOON).await.unwrap();
    standard.wait_for_frames(5, SOON).await.unwrap();
    assert_eq!(
        send("DELETE", &format!("{node}{}", created.location()), "", "")
            .await
            .unwrap()
            .status,
        200
    );
    standard.wait_ended(SOON).await.unwrap();
    publisher.close().await;
    polite.wait_ended(SOON).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test]
async fn statuses_of_whip_and_whep() {
    let link = "<stun:192.0.2.1:3478>; rel=\"ice-server\"";
    let cluster = Cluster::start(Config {
        ice_server: Some(link.to_owned()),
        ..Config::default()
    })
    .await
    .unwrap();
    let node = format!("http://{}", cluster.nodes()[0].address());
    let options = send("OPTIONS", &format!("{node}/live/whip/endpoint/s"), "", "")
        .await
        .unwrap();
    assert_eq!(
        (
            options.status.as_u16(),
            options.headers["link"].to_str().unwrap()
        ),
        (200, link)
    );
    assert_eq!(options.headers["access-control-allow-origin"], "*");

    let _publisher = publish(&cluster, 0, "s").await;
    let big = "x".repeat(70_000);
    for (method, path, content_type, body, status) in [
        ("POST", "/live/whip/endpoint/s", SDP, "v=0", 409),
        ("POST", "/live/whip/endpoint/t", SDP, "v=0", 400),
        ("POST", "/live/whip/endpoint/t", SDP, "", 412),
        ("POST", "/live/whip/endpoint/t", "text/plain", "v=0", 412),
        ("POST", "/live/whip/endpoint/t", SDP, &big, 413),
        ("POST", "/other/whip/endpoint/t", SDP, "v=0", 404),
        ("POST", "/live/whep/endpoint/t", "", "", 409),
        ("POST", "/live/whep/endpoint/s", SDP, "no sdp", 400),
        ("PATCH", "/live/whip/resource/t", FRAGMENT, "", 417),
        (
            "PATCH",
            "/live/whep/resource/s?requestId=none",
            SDP,
            "v=0",
            404,
        ),
        ("GET", "/live/whep/endpoint/s", "", "", 405),
        ("GET", "/elsewhere", "", "", 404),
    ] {
        let answer = send(method, &format!("{node}{path}"), content_type, body)
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    assert_eq!(cluster.nodes()[0].sessions(), 1);
    cluster.shutdown().await;
}
