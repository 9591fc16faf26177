//! Replicas share a key file and nothing else.

use std::fs;

use whipstitch::config::Config;
use whipstitch_minicluster::peer::Publisher;
use whipstitch_tests::{Deployment, deployment::SOON, http::path_of, round_robin::RoundRobin};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
const OTHER_KEY: &str = "HxweHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE=\n";

fn with_key(deployment: &Deployment, key: &str) -> Config {
    let path = deployment.certificate.file("session.key");
    fs::write(&path, key).unwrap();
    let mut config = deployment.config();
    config.sessions.key_file = Some(path);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn post_on_one_patch_and_delete_on_the_other() {
    let deployment = Deployment::start().await;
    let first = deployment.proxy_with(with_key(&deployment, KEY));
    let second = deployment.proxy_with(with_key(&deployment, KEY));
    let balancer = RoundRobin::start(vec![first.h1.addr(), second.h1.addr()]).await;
    let client = first.h1.at(balancer.addr());

    for stream in ["a", "b", "c"] {
        let publisher = Publisher::new().await.unwrap();
        let offer = publisher.offer().await.unwrap();
        // Each request is a connection of its own, so these three alternate between the replicas.
        let created = client
            .sdp("POST", &format!("/live/whip/endpoint/{stream}"), &offer)
            .await;
        assert_eq!(created.status, 201, "{}", created.text());
        publisher.answer(&created.text()).await.unwrap();
        let session = path_of(created.header("location"));
        let fragment = http::Request::patch(&session)
            .header("content-type", "application/trickle-ice-sdpfrag");
        let trickled = client
            .send(
                fragment
                    .body("a=ice-ufrag:x\r\na=end-of-candidates\r\n")
                    .unwrap(),
            )
            .await;
        assert_eq!(trickled.status, 204, "{}", trickled.text());
        assert_eq!(client.bare("DELETE", &session).await.status, 200);
    }
    for replica in [&first, &second] {
        let served = replica
            .metric(r#"whipstitch_requests_total{class="2xx",subject="whip_session"}"#)
            .await;
        assert!(
            (served - 3.0).abs() < 0.5,
            "each replica took its share: {served}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_the_process_that_made_it_but_not_the_key() {
    let deployment = Deployment::start().await;
    let before = deployment.proxy_with(with_key(&deployment, KEY));
    let publisher = Publisher::new().await.unwrap();
    let created = before
        .h1
        .sdp(
            "POST",
            "/live/whip/endpoint/s1",
            &publisher.offer().await.unwrap(),
        )
        .await;
    let session = path_of(created.header("location"));
    before.drain().await;

    let stranger = deployment.proxy_with(with_key(&deployment, OTHER_KEY));
    let refused = stranger.h1.bare("DELETE", &session).await;
    assert_eq!(
        (refused.status.as_u16(), &*refused.problem()),
        (404, "unknown-session")
    );

    // A rotation: the new key first, the old one kept.
    let after = deployment.proxy_with(with_key(&deployment, &format!("{OTHER_KEY}{KEY}")));
    let wrong_stream = session.replace("/s1/", "/s2/");
    assert_eq!(
        after.h1.bare("DELETE", &wrong_stream).await.problem(),
        "unknown-session"
    );
    let wrong_role = session.replace("/whip/", "/whep/");
    assert_eq!(
        after.h1.bare("DELETE", &wrong_role).await.problem(),
        "unknown-session"
    );
    assert_eq!(after.h1.bare("DELETE", &session).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_by_replacing_the_file() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy_with(with_key(&deployment, KEY));
    let publish = async |stream: &str| {
        let publisher = Publisher::new().await.unwrap();
        let offer = publisher.offer().await.unwrap();
        let target = format!("/live/whip/endpoint/{stream}");
        let created = proxy.h1.sdp("POST", &target, &offer).await;
        assert_eq!(created.status, 201, "{}", created.text());
        path_of(created.header("location"))
    };
    let old = publish("old").await;
    // From here on every replica that starts has the new key only.
    let other = deployment.proxy_with(with_key(&deployment, OTHER_KEY));
    let reloaded = async {
        // The proxy checks the file every 10 s; polls a counter, which sends no notification.
        let metric = r#"whipstitch_session_key_reloads_total{result="ok"}"#;
        while proxy.metric(metric).await < 1.0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON * 2, reloaded).await.unwrap();
    let new = publish("new").await;
    assert_eq!(other.h1.bare("DELETE", &new).await.status, 200);
    assert_eq!(other.h1.bare("DELETE", &old).await.status, 404);
    assert_eq!(proxy.h1.bare("DELETE", &old).await.status, 200);
}
