//! Orphaned sessions are deleted: a client that hangs up during its POST leaves no session at any
//! node.

use std::time::Duration;

use http::{Method, Request};
use tokio::{io::AsyncWriteExt, time::timeout};
use whipstitch::shutdown::Drained;
use whipstitch_minicluster::{Fault, Server, peer::Publisher};
use whipstitch_tests::{Deployment, Proxy, deployment::SOON, http::Client};

/// How many clients hang up.
const CLIENTS: u32 = 24;
/// The earliest answer of a slow node.
const ANSWERED: Duration = Duration::from_millis(750);

/// How long client `number` waits: at most two thirds of [`ANSWERED`].
fn patience(number: u32) -> Duration {
    // Weyl's sequence: all over the range, and the same in every run.
    let share = number.wrapping_mul(2_654_435_769) >> 16;
    ANSWERED * 2 / 3 * share / 65_536
}

async fn offer() -> String {
    let publisher = Publisher::new().await.unwrap();
    publisher.offer().await.unwrap()
}

pub(crate) fn post(target: &str, sdp: &str) -> Request<String> {
    let request = Request::post(target).header("content-type", "application/sdp");
    request.body(sdp.to_owned()).unwrap()
}

/// Sends a POST, and hangs up after this long. The nodes hold their answers until later.
async fn hang_up(client: &Client, target: &str, sdp: &str, patience: Duration) {
    let mut connection = client.keep().await;
    let answer = connection.begin(post(target, sdp)).await;
    let answer = timeout(patience, answer).await;
    assert!(answer.is_err(), "not answered so early: {answer:?}");
}

/// The same, but every other client hangs up this long after a node received its POST.
async fn hang_up_in_turn(
    deployment: &Deployment,
    client: &Client,
    number: u32,
    post: (&str, &str),
) {
    let (target, sdp) = post;
    if number.is_multiple_of(2) {
        return hang_up(client, target, sdp, patience(number) / 4).await;
    }
    let got = async {
        let seen = deployment.cluster.seen();
        let is_there = || seen.requests().iter().any(|asked| asked.target == target);
        // Polls another part of the same process, which sends no notification.
        while !is_there() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(patience(number)).await;
    };
    tokio::select! {
        () = hang_up(client, target, sdp, SOON) => {}
        () = got => {}
    }
}

pub(crate) fn outcome(outcome: &str) -> String {
    format!(r#"whipstitch_sessions_abandoned_total{{outcome="{outcome}"}}"#)
}

/// Sessions of all nodes.
fn sessions(deployment: &Deployment) -> usize {
    let nodes = deployment.cluster.nodes().iter();
    nodes.map(whipstitch_minicluster::Node::sessions).sum()
}

/// Requests of this method that nodes got.
fn received(deployment: &Deployment, method: &Method) -> u64 {
    let nodes = 0..deployment.cluster.nodes().len();
    let seen = deployment.cluster.seen();
    nodes
        .map(|node| seen.received(Server::Node(node), method))
        .sum()
}

/// Makes every node slow; without `after` they hold their answers until [`heal`].
async fn slow(deployment: &Deployment, before: Duration, after: impl Into<Option<Duration>>) {
    let after = after.into();
    for node in deployment.cluster.nodes() {
        node.fail(Fault::Late { before, after }).await;
    }
}

/// Lets the nodes answer as soon as the proxy has noticed that no client waits.
async fn answer_late(deployment: &Deployment, proxy: &Proxy) {
    proxy
        .until_metric("whipstitch_requests_in_flight", 0.0)
        .await;
    heal(deployment).await;
}

async fn heal(deployment: &Deployment) {
    for node in deployment.cluster.nodes() {
        node.heal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publishers_that_hang_up_at_any_moment_leave_no_session() {
    let offer = offer().await;
    // Sessions are made at once, while clients hang up, and after that.
    for before in [Duration::ZERO, ANSWERED / 2, ANSWERED] {
        let deployment = Deployment::start().await;
        let proxy = deployment.proxy();
        slow(&deployment, before, None).await;
        let clients = (0..CLIENTS).map(|number| {
            let client = [&proxy.h1, &proxy.h2, &proxy.plain][(number / 2 % 3) as usize];
            let (offer, target) = (&offer, format!("/live/whip/endpoint/s{number}"));
            let deployment = &deployment;
            async move { hang_up_in_turn(deployment, client, number, (&target, offer)).await }
        });
        futures_util::future::join_all(clients).await;
        answer_late(&deployment, &proxy).await;
        assert_eq!(proxy.drain().await, Drained::Whole);
        assert_eq!(sessions(&deployment), 0);
        // Nothing is sent before the offer is there, so what a node got of a POST is all of it.
        let (begun, ended) = (
            received(&deployment, &Method::POST),
            received(&deployment, &Method::DELETE),
        );
        assert_eq!(ended, begun, "one for each");
        assert!(ended >= u64::from(CLIENTS) / 3, "hardly any got that far");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn players_that_hang_up_leave_the_publisher_alone() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let offer = offer().await;
    let target = "/live/whip/endpoint/s1";
    assert_eq!(proxy.h1.sdp("POST", target, &offer).await.status, 201);
    slow(&deployment, Duration::ZERO, None).await;
    let players = (0..CLIENTS).map(|number| {
        let client = [&proxy.h1, &proxy.h2][(number / 2 % 2) as usize];
        let target = format!("/live/whep/endpoint/s1?requestId=subscriber-{number}");
        // Without an offer the node makes one.
        let deployment = &deployment;
        async move { hang_up_in_turn(deployment, client, number, (&target, "")).await }
    });
    futures_util::future::join_all(players).await;
    answer_late(&deployment, &proxy).await;
    assert!(received(&deployment, &Method::POST) > u64::from(CLIENTS) / 2);
    assert_eq!(proxy.drain().await, Drained::Whole);
    assert_eq!(sessions(&deployment), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_created_after_the_clients_504_is_deleted() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.timeouts.answer = Duration::from_millis(300);
    let proxy = deployment.proxy_with(config);
    slow(&deployment, Duration::from_millis(200), ANSWERED).await;
    let offer = offer().await;
    let target = "/live/whip/endpoint/s1";
    let refusal = proxy.h2.sdp("POST", target, &offer).await;
    assert_eq!(
        (refusal.status.as_u16(), &*refusal.problem()),
        (504, "node-timeout")
    );
    heal(&deployment).await;
    proxy.until_metric(&outcome("deleted"), 1.0).await;
    assert_eq!(sessions(&deployment), 0);
    // The name is free again.
    assert_eq!(proxy.h2.sdp("POST", target, &offer).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_never_answers_is_given_up_without_a_delete() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.timeouts.abandoned = Duration::from_millis(100);
    let proxy = deployment.proxy_with(config);
    for node in deployment.cluster.nodes() {
        node.fail(Fault::BlackHole).await;
    }
    let target = "/live/whip/endpoint/s1";
    hang_up(&proxy.h1, target, "v=0", Duration::from_millis(200)).await;
    proxy.until_metric(&outcome("unknown"), 1.0).await;
    // A DELETE of the usual path could end another client's session.
    assert_eq!(received(&deployment, &Method::DELETE), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_offer_creates_no_session_and_sends_no_delete() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let (mut io, _) = proxy.h1.connect().await;
        let head = format!(
            "POST /live/whip/endpoint/s1 HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/sdp\r\n{framing}\r\n\r\n5\r\nv=0\r\n\r\n"
        );
        io.write_all(head.as_bytes()).await.unwrap();
        proxy
            .until_metric("whipstitch_requests_in_flight", 1.0)
            .await;
        drop(io);
        proxy
            .until_metric("whipstitch_requests_in_flight", 0.0)
            .await;
    }
    assert_eq!(proxy.drain().await, Drained::Whole);
    assert_eq!(received(&deployment, &Method::POST), 0);
    assert_eq!(received(&deployment, &Method::DELETE), 0);
    assert_eq!(sessions(&deployment), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_waits_for_orphans_until_its_deadline() {
    for (deadline, drained) in [
        (Duration::from_secs(10), Drained::Whole),
        (
            Duration::from_millis(50),
            Drained::Cut {
                exchanges: 1,
                sockets: 0,
            },
        ),
    ] {
        let deployment = Deployment::start().await;
        let mut config = deployment.config();
        config.shutdown.deadline = deadline;
        let proxy = deployment.proxy_with(config);
        slow(&deployment, Duration::ZERO, ANSWERED * 2).await;
        let target = "/live/whip/endpoint/s1";
        // Only the stream is reset; its connection stays open.
        let mut connection = proxy.h2.keep().await;
        let answer = connection.begin(post(target, &offer().await)).await;
        assert!(timeout(ANSWERED / 2, answer).await.is_err());
        proxy
            .until_metric("whipstitch_requests_in_flight", 0.0)
            .await;
        assert_eq!(sessions(&deployment), 1);
        assert_eq!(proxy.drain().await, drained);
        let left = sessions(&deployment);
        assert_eq!(left == 0, drained == Drained::Whole, "{left}");
    }
}
