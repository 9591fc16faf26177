//! A player on a bad network: red5pro-webrtc-sdk 15.2 and later end the session and create another
//! at once with the same `requestId`, repeatedly. None is refused, and no session is orphaned.

use std::time::Duration;

use http::Request;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use whipstitch_minicluster::{
    Fault,
    peer::{Player, Publisher},
};
use whipstitch_signaling::Api;
use whipstitch_tests::{
    Client, Deployment, Proxy,
    deployment::SOON,
    http::path_of,
    raw_node::{RawNode, read_head},
    sdk::{Release, Sdk},
};

/// How often in a row.
const TIMES: usize = 50;
/// The latency of a slow node.
const SLOW: Duration = Duration::from_millis(50);

struct Setup {
    deployment: Deployment,
    proxy: Proxy,
    api: Api,
    _publisher: Publisher,
}

impl Setup {
    async fn start(api: Api) -> Self {
        let deployment = Deployment::start().await;
        let mut config = deployment.config();
        config.stream_manager.api = api;
        let proxy = deployment.proxy_with(config);
        let publisher = Publisher::new().await.unwrap();
        let offer = publisher.offer().await.unwrap();
        let target = endpoint(api, "whip", "s1");
        let created = proxy.h1.sdp("POST", &target, &offer).await;
        assert_eq!(created.status, 201, "{}", created.text());
        publisher.answer(&created.text()).await.unwrap();
        publisher.wait_connected(SOON).await.unwrap();
        Self {
            deployment,
            proxy,
            api,
            _publisher: publisher,
        }
    }

    fn player(&self, client: &Client, id: &str) -> Sdk {
        let endpoint = endpoint(self.api, "whep", "s1");
        let params = match self.api {
            Api::V1 => "",
            Api::V2 => "nodeGroup=default",
        };
        let path = format!("{endpoint}?requestId={id}");
        Sdk::new(client, Release::V15, &path, params)
    }

    /// Only the publisher's session remains, at the nodes and in the proxy.
    async fn nothing_is_left(&self) {
        let nodes = self.deployment.cluster.nodes().iter();
        let sessions: usize = nodes.map(whipstitch_minicluster::Node::sessions).sum();
        assert_eq!(sessions, 1, "{:?}", self.api);
        let listed = self.proxy.admin.get("/sessions").await;
        let listed: Value = serde_json::from_slice(&listed.body).unwrap();
        assert_eq!(listed["total"], 1, "{listed}");
        let abandoned = ["deleted", "failed", "unknown"];
        for outcome in abandoned {
            let name = format!(r#"whipstitch_sessions_abandoned_total{{outcome="{outcome}"}}"#);
            let number = self.proxy.metric(&name).await;
            assert!(number.abs() < f64::EPSILON, "{name} {number}");
        }
    }
}

fn endpoint(api: Api, role: &str, stream: &str) -> String {
    match api {
        Api::V1 => format!("/live/{role}/endpoint/{stream}"),
        Api::V2 => format!("/as/v1/proxy/{role}/live/{stream}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_in_a_row_make_fifty_sessions_and_leave_none() {
    for api in [Api::V1, Api::V2] {
        let setup = Setup::start(api).await;
        for client in [&setup.proxy.h1, &setup.proxy.h2] {
            let mut sdk = setup.player(client, "subscriber-1b31");
            for number in 0..TIMES {
                assert_eq!(sdk.options().await.status, 200, "{api:?} {number}");
                let offered = sdk.post("").await;
                assert_eq!(offered.status, 201, "{api:?} {number}: {}", offered.text());
                let ended = sdk.delete().await;
                assert!(ended.status.is_success(), "{api:?} {number}: {ended:?}");
            }
        }
        setup.nothing_is_left().await;
    }
}

/// The SDK ignores the answer to its `DELETE`: the browser sends it, and then the requests for the
/// next session over the same connection. Over another connection, as with HTTP/1.1, a `POST` can
/// overtake the `DELETE`, and then only the node can refuse it.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_session_does_not_wait_for_the_delete_of_the_previous_one() {
    for api in [Api::V1, Api::V2] {
        let setup = Setup::start(api).await;
        let mut sdk = setup.player(&setup.proxy.h2, "subscriber-1b31");
        sdk.keep().await;
        sdk.options().await;
        assert_eq!(sdk.post("").await.status, 201);
        // The answers to `DELETE` and `OPTIONS` come at the same time then.
        for node in setup.deployment.cluster.nodes() {
            node.fail(Fault::Delay(SLOW)).await;
        }
        for number in 0..TIMES / 2 {
            let ended = sdk.begin_delete().await;
            let options = sdk.options().await;
            assert_eq!(options.status, 200, "{api:?} {number}");
            let offered = sdk.post("").await;
            assert_eq!(offered.status, 201, "{api:?} {number}: {}", offered.text());
            let ended = ended.await;
            assert!(ended.status.is_success(), "{api:?} {number}: {ended:?}");
        }
        assert!(sdk.delete().await.status.is_success());
        setup.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_comes_back_each_time() {
    for api in [Api::V1, Api::V2] {
        let setup = Setup::start(api).await;
        let mut sdk = setup.player(&setup.proxy.h2, "subscriber-1b31");
        for _ in 0..3 {
            assert_eq!(sdk.options().await.status, 200);
            let viewer = Player::new().await.unwrap();
            let offered = sdk.post("").await;
            assert_eq!(offered.status, 201, "{}", offered.text());
            let answer = viewer.accept(&offered.text()).await.unwrap();
            assert_eq!(sdk.answer(&answer).await.status, 204);
            assert!(sdk.trickle().await.status.is_success());
            viewer.wait_for_frames(5, SOON).await.unwrap();
            assert!(sdk.delete().await.status.is_success());
        }
        setup.nothing_is_left().await;
    }
}

/// Fifty players at once, each five times: none replaces another.
#[tokio::test(flavor = "multi_thread")]
async fn many_players_do_it_at_once() {
    let setup = Setup::start(Api::V2).await;
    let players = (0..TIMES).map(|number| {
        let mut sdk = setup.player(&setup.proxy.h1, &format!("subscriber-{number:x}"));
        async move {
            for _ in 0..5 {
                assert_eq!(sdk.options().await.status, 200);
                let offered = sdk.post("").await;
                assert_eq!(offered.status, 201, "{number}: {}", offered.text());
                assert!(sdk.delete().await.status.is_success());
            }
        }
    });
    futures_util::future::join_all(players).await;
    setup.nothing_is_left().await;
}

const CREATED: &[u8] =
    b"HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: 3\r\n\
     Location: /live/whep/resource/s1\r\nConnection: close\r\n\r\nv=0";
const ENDED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A node that has not ended the session yet would answer 400 to the next `POST`, so the proxy
/// holds that one back.
#[tokio::test(flavor = "multi_thread")]
async fn a_post_waits_for_the_delete_of_its_own_request_id_and_no_other_post_does() {
    let (deployment, node) = (Deployment::start().await, RawNode::start(77).await);
    let mut config = deployment.config();
    config.nodes.port = node.addr().port();
    config.nodes.allow = vec!["127.0.0.0/8".parse().unwrap()];
    let proxy = deployment.proxy_with(config);
    let post = |id: &str| {
        let endpoint = "/live/whep/endpoint/s1?signal=true";
        let target = format!("{endpoint}&host={}&requestId={id}", node.addr().ip());
        Request::post(target).body("").unwrap()
    };
    let mut browser = proxy.h2.keep().await;
    let created = browser.begin(post("a")).await;
    let (created, _) = tokio::join!(created, node.answer(0, CREATED));
    assert_eq!(created.status, 201, "{}", created.text());
    let session = path_of(created.header("location"));

    let ended = browser
        .begin(Request::delete(session).body("").unwrap())
        .await;
    let mut deleting = node.accept_silently().await;
    let head = read_head(&mut deleting).await;
    let expected = "DELETE /live/whep/resource/s1?requestId=a ";
    assert!(head.starts_with(expected), "{head}");
    let again = browser.begin(post("a")).await;
    // A client with another id does not wait.
    let other = browser.begin(post("b")).await;
    let (other, (head, _)) = tokio::join!(other, node.answer(0, CREATED));
    assert!(head.contains("requestId=b "), "{head}");
    assert_eq!(other.status, 201);
    assert!(node.unconnected());

    deleting.write_all(ENDED).await.unwrap();
    let (ended, again, (head, _)) = tokio::join!(ended, again, node.answer(0, CREATED));
    assert!(head.contains("requestId=a "), "{head}");
    assert_eq!((ended.status.as_u16(), again.status.as_u16()), (200, 201));
}
