//! Another node serves what one cannot, within one budget, and nothing is done twice.

use std::time::{Duration, Instant};

use http::Method;
use whipstitch_minicluster::{Action, Fault, Lie, Server, peer::Publisher};
use whipstitch_tests::{Deployment, deployment::SOON};

/// How many requests of this method all nodes received.
fn taken(deployment: &Deployment, method: &Method) -> u64 {
    let seen = deployment.cluster.seen();
    let nodes = 0..deployment.cluster.nodes().len();
    nodes
        .map(|node| seen.received(Server::Node(node), method))
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_after_the_lookup_costs_the_client_nothing() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let (manager, node) = (deployment.cluster.manager(), &deployment.cluster.nodes()[0]);
    // The answer names this node only.
    manager.lie(Lie::ServerAddress(node.ip().to_string()));
    let asked = proxy.h1.bare("OPTIONS", "/live/whip/endpoint/s1").await;
    assert_eq!(asked.status, 200);
    manager.heal().await;
    node.fail(Fault::Refuse).await;

    let publisher = Publisher::new().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let created = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    publisher.answer(&created.text()).await.unwrap();
    let seen = deployment.cluster.seen();
    assert_eq!(seen.lookups(Action::Broadcast, "live", "s1"), 2);
    assert_eq!(taken(&deployment, &Method::POST), 1);
    assert!((proxy.metric("whipstitch_failovers_total").await - 1.0).abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_a_node_took_is_seen_once() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    for node in deployment.cluster.nodes() {
        node.fail(Fault::BlackHole).await;
    }
    let post = proxy.h1.sdp("POST", "/live/whip/endpoint/s1", "v=0");
    let drop_it = async {
        // Polls a counter in another part of the same process, which sends no notification.
        while taken(&deployment, &Method::POST) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for node in deployment.cluster.nodes() {
            node.heal().await;
        }
    };
    let both = async { tokio::join!(post, drop_it) };
    let (dropped, ()) = tokio::time::timeout(SOON, both).await.unwrap();
    assert_eq!(
        (dropped.status.as_u16(), &*dropped.problem()),
        (502, "node-unreachable")
    );
    assert_eq!(taken(&deployment, &Method::POST), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_options_is_retried_at_the_next_node_and_a_post_is_not() {
    for status in [502, 503] {
        let deployment = Deployment::start().await;
        let proxy = deployment.proxy();
        let unable = &deployment.cluster.nodes()[0];
        unable.fail(Fault::Status(status, "full".into())).await;
        for stream in ["a", "b", "c", "d"] {
            let target = format!("/live/whip/endpoint/{stream}");
            assert_eq!(proxy.h1.bare("OPTIONS", &target).await.status, 200);
        }
        for node in deployment.cluster.nodes() {
            node.fail(Fault::Status(status, "full".into())).await;
        }
        let refused = proxy.h1.sdp("POST", "/live/whip/endpoint/e", "v=0").await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.text()),
            (status, "full")
        );
        assert_eq!(taken(&deployment, &Method::POST), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_never_answer_take_one_budget_together() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    config.timeouts.answer = Duration::from_millis(500);
    let proxy = deployment.proxy_with(config);
    for node in deployment.cluster.nodes() {
        node.fail(Fault::BlackHole).await;
    }
    for method in ["OPTIONS", "POST"] {
        let asked = Instant::now();
        let reply = proxy.h1.sdp(method, "/live/whip/endpoint/s1", "v=0").await;
        assert_eq!(
            (reply.status.as_u16(), &*reply.problem()),
            (504, "node-timeout")
        );
        let took = asked.elapsed();
        assert!(took < Duration::from_millis(950), "{method}: {took:?}");
    }
}
