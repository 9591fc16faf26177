//! A panic ends one task, is counted, and leaves no gauge behind.

use std::time::Duration;

use http::{Method, Request};
use whipstitch_minicluster::{Fault, Server, peer::Publisher};
use whipstitch_origin::provoked::{self, Place};
use whipstitch_proxy::panics;
use whipstitch_tests::{Deployment, Proxy, websocket::Dialogue};

const PANICS: &str = "whipstitch_panics_total";
const IN_FLIGHT: &str = "whipstitch_requests_in_flight";
const OPEN: &str = "whipstitch_sockets_open";
const WHIP: &str = "/live/whip/endpoint/s1";

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_any_task_is_counted_and_harms_nothing_else() {
    panics::watch();
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();

    provoked::next(Place::Lookup);
    let failed = proxy.plain.bare("OPTIONS", WHIP).await;
    assert_eq!(failed.status, 503, "{}", failed.text());
    proxy.until_metric(PANICS, 1.0).await;
    assert_eq!(proxy.plain.bare("OPTIONS", WHIP).await.status, 200);

    let node = deployment.cluster.nodes()[0].ip();
    let target = format!("/streammanager/?id=subscriber-1&host={node}&app=live");
    let mut other = Dialogue::open(&proxy.h1, &target).await.unwrap();
    other.receive().await;
    provoked::next(Place::Splice);
    let _ended = Dialogue::open(&proxy.h1, &target).await;
    proxy.until_metric(PANICS, 2.0).await;
    proxy.until_metric(OPEN, 1.0).await;
    other.close().await;
    proxy.until_metric(OPEN, 0.0).await;

    provoked::next(Place::Reaper);
    orphan(&deployment, &proxy, WHIP).await;
    proxy.until_metric(PANICS, 3.0).await;
    // The next orphan is ended; that one still has its name at a node.
    orphan(&deployment, &proxy, "/live/whip/endpoint/s2").await;
    let deleted = "whipstitch_sessions_abandoned_total{outcome=\"deleted\"}";
    proxy.until_metric(deleted, 1.0).await;
    proxy.until_metric(IN_FLIGHT, 0.0).await;
}

/// A client that hangs up when a node has its offer. The nodes answer once the proxy has noticed.
async fn orphan(deployment: &Deployment, proxy: &Proxy, target: &str) {
    let held = Fault::Late {
        before: Duration::ZERO,
        after: None,
    };
    for node in deployment.cluster.nodes() {
        node.fail(held.clone()).await;
    }
    let seen = deployment.cluster.seen();
    let posts = || -> u64 {
        let nodes = 0..deployment.cluster.nodes().len();
        let received = nodes.map(|node| seen.received(Server::Node(node), &Method::POST));
        received.sum()
    };
    let before = posts();
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    let request = Request::post(target).header("content-type", "application/sdp");
    let mut connection = proxy.plain.keep().await;
    let answer = connection.begin(request.body(offer).unwrap()).await;
    let got = async {
        // Polls another part of the same process, which sends no notification.
        while posts() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        answer = answer => panic!("answered: {answer:?}"),
        () = got => {}
    }
    drop(connection);
    proxy.until_metric(IN_FLIGHT, 0.0).await;
    for node in deployment.cluster.nodes() {
        node.heal().await;
    }
}
