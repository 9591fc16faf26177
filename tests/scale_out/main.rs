//! Replicas share a key file and nothing else: sessions that one created are served by any other,
//! whichever is restarted.
//!
//! Each of three replicas is the real binary on a host of its own, which is a network namespace.
//! HAProxy is in front of them with `deploy/loadbalancer/haproxy.cfg`: each connection goes to the
//! next replica, without stickiness.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is a test: to panic is to fail it"
)]

mod balancer;
mod crowd;
mod lan;
mod replica;

use std::{net::IpAddr, time::Duration};

use balancer::Balancer;
use crowd::Crowd;
use replica::{Replica, Shared};
use tokio::time::{Instant, timeout};
use whipstitch_minicluster::{Cluster, Config, Node, NodeConfig, peer::Publisher};
use whipstitch_tests::Client;

/// Sessions in all, at least; each is a POST, a PATCH and a DELETE.
const SESSIONS: usize = 1_000;
/// Publishers whose media flows all the time.
const STARS: usize = 4;
/// Longest wait for the restart of all replicas.
const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn a_thousand_sessions_live_through_a_rolling_restart() {
    lan::inside("a_thousand_sessions_live_through_a_rolling_restart", || {
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(rolling_restart());
    });
}

async fn rolling_restart() {
    let cluster = Cluster::start(Config {
        manager: (lan::MANAGER, 5080).into(),
        nodes: lan::NODES
            .map(|node| NodeConfig::new(IpAddr::V4(node)))
            .to_vec(),
        node_port: lan::NODE_PORT,
        ..Config::default()
    })
    .await
    .unwrap();
    let shared = Shared::make(&cluster);
    let mut replicas = Vec::new();
    for host in lan::REPLICAS {
        replicas.push(Replica::start(host, &shared).await);
    }
    let balancer = Balancer::start(&shared.certificate).await;
    let client = Client::tls(Balancer::addr(), shared.certificate.client(&[b"http/1.1"]));
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    let crowd = Crowd::new(client, offer);

    // These publish from before the first restart until after the last: their media passes no
    // replica.
    let mut stars = Vec::new();
    for _ in 0..STARS {
        stars.push(crowd.star().await);
    }
    let began = Instant::now();
    let restart = async {
        let mut pids = Vec::new();
        for replica in &mut replicas {
            balancer.until_up(lan::REPLICAS.len()).await;
            pids.push((replica.pid(), replica.restart(&shared).await));
        }
        balancer.until_up(lan::REPLICAS.len()).await;
        pids
    };
    let restart = timeout(PATIENCE, restart);
    let (pids, meanwhile) = crowd.come_and_go_during(restart, SESSIONS).await;
    let pids = pids.expect("the restart ends in time");
    let took = began.elapsed();
    for star in stars {
        crowd.retire(star).await;
    }

    let tally = crowd.tally();
    println!(
        "{meanwhile} sessions came and went while three replicas were restarted in {took:?}; in all {tally:?}"
    );
    assert!(pids.iter().all(|(before, after)| before != after));
    let all = tally.values().copied().max().unwrap_or_default();
    assert!(all >= SESSIONS);
    let expected = [
        (("DELETE", 200), all),
        (("PATCH", 204), all),
        (("POST", 201), all),
    ];
    assert_eq!(tally, expected.into(), "no request failed");
    for replica in &replicas {
        let served = replica.sessions_served().await;
        assert!(served > 0.0, "{replica:?} took no part after its restart");
    }
    let live: usize = cluster.nodes().iter().map(Node::sessions).sum();
    assert_eq!(live, 0, "every session has ended at its node");
}
