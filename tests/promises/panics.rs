//! A panic ends one task, is counted, and leaves no gauge behind.

use http::Request;
use whipstitch_minicluster::{Fault, peer::Publisher};
use whipstitch_origin::provoked::{self, Place};
use whipstitch_proxy::panics;
use whipstitch_tests::{Deployment, Proxy, websocket::Dialogue};

const PANICS: &str = "whipstitch_panics_total";
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
    orphan(&deployment, &proxy).await;
    proxy.until_metric(PANICS, 3.0).await;
    // The next orphan is ended.
    orphan(&deployment, &proxy).await;
    let deleted = "whipstitch_sessions_abandoned_total{outcome=\"deleted\"}";
    proxy.until_metric(deleted, 1.0).await;
    let in_flight = "whipstitch_requests_in_flight";
    proxy.until_metric(in_flight, 0.0).await;
}

/// A client that hangs up when the node has its offer.
async fn orphan(deployment: &Deployment, proxy: &Proxy) {
    let held = std::time::Duration::from_millis(300);
    for node in deployment.cluster.nodes() {
        node.fail(Fault::Delay(held)).await;
    }
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    let request = Request::post(WHIP).header("content-type", "application/sdp");
    let mut connection = proxy.plain.keep().await;
    let answer = connection.begin(request.body(offer).unwrap()).await;
    let answer = tokio::time::timeout(held / 2, answer).await;
    assert!(answer.is_err(), "not answered so early");
    for node in deployment.cluster.nodes() {
        node.heal().await;
    }
}
