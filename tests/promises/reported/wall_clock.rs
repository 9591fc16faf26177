//! The wall clock does not order sessions: setting it ends no live session and hides none.

use std::fs;

use http::Request;
use serde_json::Value;
use whipstitch_proxy::clock::WallClock;
use whipstitch_tests::{Deployment, Proxy, Reply, http::path_of, stub_node::StubNode};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

/// A node that accepts everything, behind replicas.
struct Setup {
    deployment: Deployment,
    node: StubNode,
}

impl Setup {
    async fn start(last: u8) -> Self {
        Self {
            deployment: Deployment::start().await,
            node: StubNode::start(last).await,
        }
    }

    /// One of several replicas, with a clock of its own.
    fn replica(&self, clock: &WallClock) -> Proxy {
        let path = self.deployment.certificate.file("session.key");
        fs::write(&path, KEY).unwrap();
        let mut config = self.node.config(&self.deployment);
        config.sessions.key_file = Some(path);
        self.deployment.proxy_by(clock, config)
    }
}

/// Publishes under the one name; the path of the session.
async fn publish(proxy: &Proxy) -> String {
    let created = proxy
        .plain
        .sdp("POST", "/live/whip/endpoint/s1", "v=0\r\n")
        .await;
    assert_eq!(created.status, 201, "{}", created.text());
    path_of(created.header("location"))
}

async fn trickle(proxy: &Proxy, session: &str) -> Reply {
    let fragment =
        Request::patch(session).header("content-type", "application/trickle-ice-sdpfrag");
    proxy
        .plain
        .send(fragment.body("a=ice-ufrag:x\r\n").unwrap())
        .await
}

async fn end(proxy: &Proxy, session: &str) -> Reply {
    proxy.plain.bare("DELETE", session).await
}

fn detail(reply: &Reply) -> String {
    assert_eq!(
        (reply.status.as_u16(), &*reply.problem()),
        (404, "unknown-session")
    );
    let problem: Value = serde_json::from_slice(&reply.body).unwrap();
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_our_sessions_is_that_of_their_arrival_whichever_way_the_clock_steps() {
    let setup = Setup::start(81).await;
    for (step, sealed) in [
        (-60_000, true),
        (60_000, true),
        (-3_600_000, false),
        (7_200_000, false),
    ] {
        let clock = WallClock::default();
        let proxy = if sealed {
            setup.replica(&clock)
        } else {
            setup
                .deployment
                .proxy_by(&clock, setup.node.config(&setup.deployment))
        };
        let former = publish(&proxy).await;
        clock.step(step);
        let live = publish(&proxy).await;
        let before = setup.node.ended();
        assert_eq!(
            trickle(&proxy, &live).await.status.as_u16() / 100,
            2,
            "{step}"
        );
        let message = detail(&end(&proxy, &former).await);
        assert!(
            message.contains("a newer session of the same stream"),
            "{message}"
        );
        assert!(!message.contains("key"), "keys are not at fault: {message}");
        assert_eq!(
            setup.node.ended(),
            before,
            "the node gets no request for the former session"
        );
        let ended = end(&proxy, &live).await;
        assert_eq!(ended.status, 200, "{step}: {}", ended.text());
        assert_eq!(setup.node.ended(), before + 1, "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_ours_stays_open_when_the_clock_steps_past_its_lifetime() {
    let setup = Setup::start(82).await;
    let clock = WallClock::default();
    let (proxy, other) = (setup.replica(&clock), setup.replica(&WallClock::default()));
    let session = publish(&proxy).await;
    let of_another = publish(&other).await;
    clock.step(365 * 24 * 3_600_000);
    assert_eq!(trickle(&proxy, &session).await.status.as_u16() / 100, 2);
    // Only the wall clock gives the age of another replica's session.
    let message = detail(&trickle(&proxy, &of_another).await);
    assert!(
        message.contains("newer session") || message.contains("older than a session may last"),
        "{message}"
    );
    assert_eq!(end(&proxy, &session).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_whose_clocks_differ_by_ten_seconds_serve_each_others_live_sessions() {
    for (last, step) in [(83, 10_000), (84, -10_000), (85, 25_000), (86, -25_000)] {
        let setup = Setup::start(last).await;
        let clock = WallClock::default();
        clock.step(step);
        let (first, second) = (setup.replica(&clock), setup.replica(&WallClock::default()));
        // The encoder reconnects through the other replica each time, and each request goes through
        // either.
        for (maker, others) in [(&first, &second), (&second, &first), (&first, &second)] {
            let session = publish(maker).await;
            for proxy in [maker, others] {
                let trickled = trickle(proxy, &session).await;
                assert_eq!(
                    trickled.status.as_u16() / 100,
                    2,
                    "{step}: {}",
                    trickled.text()
                );
            }
            let before = setup.node.ended();
            assert_eq!(end(others, &session).await.status, 200, "{step}");
            assert_eq!(setup.node.ended(), before + 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_cannot_be_opened_differs_from_an_expired_one() {
    let setup = Setup::start(87).await;
    let proxy = setup.replica(&WallClock::default());
    let session = publish(&proxy).await;
    let other = session.replace("/s1/", "/s2/");
    assert!(detail(&trickle(&proxy, &other).await).contains("not one of this stream's"));
    let bare = detail(&trickle(&proxy, "/live/whip/resource/s9").await);
    assert!(bare.contains("holds no token"), "{bare}");
    assert_eq!(end(&proxy, &session).await.status, 200);
}
