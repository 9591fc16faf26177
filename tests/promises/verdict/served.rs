//! Causes that clients notice: nodes, attempts, the manager, limits.

use std::{fs, net::Ipv4Addr, time::Duration};

use whipstitch_minicluster::{Config as ClusterConfig, Fault, Lie, NodeConfig};
use whipstitch_signaling::Api;
use whipstitch_tests::websocket::Dialogue;

use super::Setup;

/// A minute's failures are diluted by as many other attempts as make them fewer than a tenth.
const MANY: usize = 75;

impl Setup {
    /// POSTs to a WHIP endpoint; how many failed.
    async fn publish(&self, times: usize) -> usize {
        let mut failed = 0;
        for _ in 0..times {
            let target = "/live/whip/endpoint/s1";
            let reply = self.proxy.plain.sdp("POST", target, "v=0\r\n").await;
            failed += usize::from(reply.status.is_server_error());
        }
        failed
    }

    /// POSTs to an endpoint without a publisher: attempts that are refused.
    async fn play_nothing(&self, times: usize) {
        for _ in 0..times {
            let target = "/live/whep/endpoint/missing";
            let reply = self.proxy.plain.sdp("POST", target, "v=0\r\n").await;
            assert_eq!(reply.status, 409);
        }
    }

    /// Requests of several clients, which find out that a node is back, until nothing is wrong.
    async fn is_healthy_by_requests(&self) {
        let ask = async {
            let mut pace = tokio::time::interval(Duration::from_millis(50));
            loop {
                pace.tick().await;
                for stream in ["s1", "s2", "s3"] {
                    let target = format!("/live/whip/endpoint/{stream}");
                    self.proxy.plain.bare("OPTIONS", &target).await;
                }
            }
        };
        tokio::select! {
            never = ask => never,
            () = self.is_healthy() => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_healthy_node_and_failed_attempts_require_an_action() {
    let one = ClusterConfig {
        nodes: vec![NodeConfig::new(Ipv4Addr::new(127, 0, 0, 2).into())],
        ..ClusterConfig::default()
    };
    let setup = Setup::with(one, |_, _| {}).await;
    setup.deployment.cluster.nodes()[0]
        .fail(Fault::Refuse)
        .await;
    assert_eq!(setup.publish(8).await, 8);
    let text = setup.tells("all-nodes-ejected", "action_required").await;
    assert!(text.contains("127.0.0.2 (connection refused)"), "{text}");
    let text = setup.tells("attempts-failing", "action_required").await;
    assert!(text.contains("8 of 8 attempts"), "{text}");

    setup.deployment.cluster.nodes()[0].heal().await;
    setup.play_nothing(MANY).await;
    setup.is_healthy_by_requests().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ejected_node_of_two_is_a_warning() {
    let setup = Setup::start().await;
    setup.deployment.cluster.nodes()[0]
        .fail(Fault::Refuse)
        .await;
    let text = tokio::select! {
        () = async { loop { setup.publish(1).await; } } => unreachable!("it publishes for ever"),
        text = setup.tells("nodes-ejected", "warning") => text,
    };
    assert!(text.starts_with("1 of 2 nodes ejected: "), "{text}");
    let node = &setup.deployment.cluster.nodes()[0];
    node.heal().await;
    // With another node to choose, it would be probed once a second.
    let only = Lie::ServerAddress(node.ip().to_string());
    setup.deployment.cluster.manager().lie(only);
    setup.is_healthy_by_requests().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_of_failed_attempts_is_a_warning() {
    let setup = Setup::with(ClusterConfig::default(), |_, config| {
        config.nodes.eject_after = 100;
    })
    .await;
    setup.play_nothing(20).await;
    for node in setup.deployment.cluster.nodes() {
        node.fail(Fault::Status(500, "broken".to_owned())).await;
    }
    assert_eq!(setup.publish(4).await, 4);
    setup.is_healthy().await;
    assert_eq!(setup.publish(2).await, 2);
    let text = setup.tells("attempts-failing", "warning").await;
    assert!(text.contains("6 of 26 attempts"), "{text}");
    setup.play_nothing(MANY).await;
    setup.is_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_is_down_requires_an_action() {
    let setup = Setup::start().await;
    let manager = setup.deployment.cluster.manager();
    manager.fail(Fault::Refuse).await;
    let ask = async |n: usize| {
        let target = format!("/live/whip/endpoint/new-{n}");
        setup.proxy.plain.bare("OPTIONS", &target).await
    };
    ask(0).await;
    let text = setup.tells("manager-down", "warning").await;
    assert!(text.contains("(connection refused)"), "{text}");
    for n in 1..6 {
        ask(n).await;
    }
    setup.tells("manager-down", "action_required").await;
    manager.heal().await;
    setup.is_healthy_by_requests().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_requires_an_action() {
    let setup = Setup::with(ClusterConfig::default(), |deployment, config| {
        let file = |name: &str, text: &str| {
            let path = deployment.certificate.file(name);
            fs::write(&path, text).unwrap();
            Some(path)
        };
        config.stream_manager.api = Api::V2;
        config.stream_manager.user_file = file("user", "admin\n");
        config.stream_manager.password_file = file("password", "minicluster");
        config.nodes.poll = Duration::from_millis(50);
    })
    .await;
    let password = setup.deployment.certificate.file("password");
    fs::write(&password, "wrong").unwrap();
    let text = setup.tells("manager-login", "action_required").await;
    assert!(text.contains("password_file"), "{text}");
    fs::write(&password, "minicluster").unwrap();
    setup.is_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_reached_is_a_warning() {
    let setup = Setup::with(ClusterConfig::default(), |_, config| {
        config.limits.sockets = 2;
    })
    .await;
    let node = setup.deployment.cluster.nodes()[0].ip();
    let mut dialogues = Vec::new();
    for id in 0..2 {
        let target = format!("/streammanager/?id=subscriber-{id}&host={node}&app=live");
        let opened = Dialogue::open(&setup.proxy.plain, &target).await;
        dialogues.push(opened.unwrap());
    }
    let text = setup.tells("limit-reached", "warning").await;
    assert!(text.contains("2 of 2 (limits.sockets)"), "{text}");
    for dialogue in dialogues {
        dialogue.close().await;
    }
    setup.is_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_a_warning() {
    let setup = Setup::start().await;
    setup.post("/drain").await;
    let text = setup.tells("draining", "warning").await;
    assert!(text.starts_with("Drain"), "{text}");
}
