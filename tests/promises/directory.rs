//! The Stream Manager's answers and failures.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use whipstitch_minicluster::{Action, Fault, Lie, Server, peer::Publisher};
use whipstitch_tests::{Deployment, Proxy, Reply, http::path_of};

async fn whip(proxy: &Proxy, stream: &str) -> Reply {
    proxy
        .h1
        .bare("OPTIONS", &format!("/live/whip/endpoint/{stream}"))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_requests_are_one_lookup() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    deployment
        .cluster
        .manager()
        .fail(Fault::Delay(Duration::from_millis(300)))
        .await;
    let replies = join_all((0..64).map(|_| whip(&proxy, "s1"))).await;
    assert!(
        replies.iter().all(|reply| reply.status == 200),
        "{replies:?}"
    );
    assert_eq!(
        deployment
            .cluster
            .seen()
            .lookups(Action::Broadcast, "live", "s1"),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hints_of_a_client_reach_the_manager_unchanged() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let target = "/live/room1/whip/endpoint/s1?signal=true&region=us-east-1&strict=true&password=x";
    assert_eq!(proxy.h1.bare("OPTIONS", target).await.status, 200);
    let asked = deployment
        .cluster
        .seen()
        .requests_to(Server::Manager)
        .pop()
        .unwrap();
    let expected =
        "/streammanager/api/4.0/event/live/room1/s1?action=broadcast&region=us-east-1&strict=true";
    assert_eq!(asked.target, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_does_not_answer_properly_is_a_503_and_an_array_is_an_answer() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let manager = deployment.cluster.manager();
    for lie in [Lie::Html, Lie::Garbage, Lie::Huge(1024 * 1024)] {
        manager.lie(lie.clone());
        let reply = whip(&proxy, "s1").await;
        assert_eq!(
            (reply.status.as_u16(), &*reply.problem()),
            (503, "manager-unavailable"),
            "{lie:?}"
        );
        assert_eq!(reply.header("retry-after"), "2");
    }
    // Such an answer is wrong only in its length: it is refused for that, and one byte less is not.
    let longest = 64 * 1024;
    for (bytes, status) in [(longest, 200), (longest + 1, 503)] {
        let fresh = deployment.proxy();
        manager.lie(Lie::Huge(bytes));
        assert_eq!(whip(&fresh, "padded").await.status, status, "{bytes}");
    }
    // Another proxy: this one's circuit breaker may be open by now.
    let proxy = deployment.proxy();
    manager.lie(Lie::ErrorMessage("no capacity".into()));
    let reply = whip(&proxy, "s2").await;
    assert_eq!((reply.status.as_u16(), &*reply.problem()), (503, "no-node"));
    assert!(reply.text().contains("no capacity"), "{}", reply.text());
    let reply = proxy.h1.bare("OPTIONS", "/live/whep/endpoint/s2").await;
    assert_eq!(
        (reply.status.as_u16(), &*reply.problem()),
        (409, "not-live")
    );
    manager.lie(Lie::Array);
    assert_eq!(whip(&proxy, "s3").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_address_is_never_dialled() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for address in [
        "169.254.169.254",
        "127.0.0.1",
        "::1",
        "node.example.com",
        "10.0.0.1:80",
    ] {
        deployment
            .cluster
            .manager()
            .lie(Lie::ServerAddress(address.into()));
        let reply = whip(&proxy, "s1").await;
        assert_eq!(
            (reply.status.as_u16(), &*reply.problem()),
            (502, "node-refused"),
            "{address}"
        );
        assert!(!reply.text().contains(address), "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_is_slow_or_gone_is_not_waited_for_longer_than_configured() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.stream_manager.timeout = Duration::from_millis(300);
    let proxy = deployment.proxy_with(config);
    for fault in [
        Fault::BlackHole,
        Fault::Refuse,
        Fault::Reset,
        Fault::Status(500, "x".into()),
    ] {
        deployment.cluster.manager().fail(fault.clone()).await;
        let asked = Instant::now();
        let reply = whip(&proxy, "s1").await;
        assert_eq!(
            (reply.status.as_u16(), &*reply.problem()),
            (503, "manager-unavailable"),
            "{fault:?}"
        );
        assert!(
            asked.elapsed() < Duration::from_secs(5),
            "{fault:?}: {:?}",
            asked.elapsed()
        );
    }
    assert!(proxy.metric("whipstitch_stream_manager_up").await.abs() < f64::EPSILON);
    deployment.cluster.manager().heal().await;
    proxy
        .until_metric("whipstitch_stream_manager_breaker_open", 0.0)
        .await;
    assert_eq!(
        whip(&proxy, "s1").await.status,
        200,
        "a fault is not remembered"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusing_node_is_skipped_for_one_of_a_wider_lookup() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    assert_eq!(whip(&proxy, "s1").await.status, 200);
    let seen = deployment.cluster.seen().requests();
    let Some(Server::Node(index)) = seen.last().map(|request| request.server) else {
        panic!("{seen:?}")
    };
    deployment.cluster.nodes()[index].die().await;

    // The node of the OPTIONS is down; a wider lookup finds another, and the client does not
    // notice.
    let created = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(
        deployment.cluster.seen().lookup_targets(),
        [
            "live/s1?action=broadcast",
            "live/s1?action=broadcast&endpoints=4"
        ]
    );
    assert!((proxy.metric("whipstitch_failovers_total").await - 1.0).abs() < 0.5);
}

/// The lookups for two OPTIONS of a player, with this in between.
async fn lookups_around(
    deployment: &Deployment,
    proxy: &Proxy,
    between: impl AsyncFnOnce(),
) -> usize {
    let ask = || proxy.h1.bare("OPTIONS", "/live/whep/endpoint/s1");
    let lookups = || {
        let seen = deployment.cluster.seen();
        usize::try_from(seen.lookups(Action::Subscribe, "live", "s1")).unwrap()
    };
    ask().await;
    let before = lookups();
    ask().await;
    assert_eq!(lookups(), before, "it is remembered");
    between().await;
    ask().await;
    lookups() - before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ended_or_that_its_node_does_not_know_is_looked_up_again() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.lookup.play_ttl = Duration::from_mins(1);
    let proxy = deployment.proxy_with(config);
    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let created = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let unknown = lookups_around(&deployment, &proxy, async || {
        for node in deployment.cluster.nodes() {
            node.fail(Fault::Status(404, "no such stream".into())).await;
        }
        let target = "/live/whep/endpoint/s1";
        assert_eq!(proxy.h1.bare("OPTIONS", target).await.status, 404);
        for node in deployment.cluster.nodes() {
            node.heal().await;
        }
    });
    assert_eq!(unknown.await, 1);
    let left = lookups_around(&deployment, &proxy, async || {
        let session = path_of(created.header("location"));
        assert_eq!(proxy.h1.bare("DELETE", &session).await.status, 200);
    });
    assert_eq!(left.await, 1);
}
