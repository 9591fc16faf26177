//! `whipstitch doctor --media`: ICE checks against a node's real candidates.

use http_body_util::Full;
use whipstitch_minicluster::Config as ClusterConfig;
use whipstitch_tests::Deployment;

use super::{doctor, examined, https, rows, spoiled};

const REACHABLE: &str = "media: a candidate that viewers outside can reach";
const ANSWERS: &str = "media: a candidate answers the ICE check from here";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_answers_but_only_on_this_machine() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let line = format!("{} --insecure --client rfc-whip --media", https(&proxy));
    let (code, document) = examined(&line).await;
    assert_eq!(
        (code, rows(&document, "failed")),
        (1, vec![REACHABLE.to_owned()]),
        "{document:#}"
    );
    assert!(
        rows(&document, "ok").contains(&ANSWERS.to_owned()),
        "{document:#}"
    );
    let note = document["notes"][0].as_str().unwrap();
    assert!(
        note.contains("sees a black picture: the node offers only 127.0.0."),
        "{note}"
    );
    assert!(note.contains("No TURN server is offered"), "{note}");
    let nodes = deployment.cluster.nodes().iter();
    let left: usize = nodes.map(whipstitch_minicluster::Node::sessions).sum();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_server_makes_up_for_private_addresses() {
    let deployment = Deployment::with(ClusterConfig {
        ice_server: Some(r#"<turn:t.example:3478>; rel="ice-server"; username="u"; credential="c"; credential-type="password""#.to_owned()),
        ..ClusterConfig::default()
    })
    .await;
    let proxy = deployment.proxy();
    let line = format!("{} --insecure --client rfc-whip --media", https(&proxy));
    let (code, document) = examined(&line).await;
    assert_eq!(
        (code, rows(&document, "failed")),
        (0, Vec::new()),
        "{document:#}"
    );
    let note = document["notes"][0].as_str().unwrap();
    assert!(note.contains("through the TURN server only"), "{note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_is_checked_by_the_nodes_own_offer() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let publisher = whipstitch_minicluster::peer::Publisher::new()
        .await
        .unwrap();
    let offer = publisher.offer().await.unwrap();
    let created = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", &offer).await;
    assert_eq!(created.status, 201);
    let line = format!(
        "{} --insecure --client rfc-whep --only-read --stream s1 --media",
        https(&proxy)
    );
    let (_, document) = examined(&line).await;
    assert!(
        rows(&document, "ok").contains(&ANSWERS.to_owned()),
        "{document:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_does_not_answer_is_named() {
    let (addr, _server) = spoiled(|request, response| {
        if request.method() == "POST" && response.status() == 201 {
            // Nothing listens on the discard port here.
            let sdp = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n\
                       a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n";
            *response.body_mut() = Full::from(sdp);
        }
    })
    .await;
    let exit = doctor(&format!("http://{addr}/cam/whip --client obs --media")).await;
    assert_eq!(exit.code, 1);
    for words in [
        "FAILED  the media path: a candidate answers the ICE check from here",
        "came    127.0.0.1:9: port closed",
        "Red5: 40000-65535",
        "\nA viewer outside connects, and sees a black picture",
    ] {
        assert!(exit.out.contains(words), "{words}: {}", exit.out);
    }
}
