//! Players are spread over the nodes as the manager alone would spread them.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;
use http::{Method, Request};
use whipstitch::config::Config;
use whipstitch_minicluster::{
    Action, Config as ClusterConfig, NodeConfig, Server, peer::Publisher,
};
use whipstitch_tests::{Client, Deployment};

const PLAYERS: usize = 10_000;
/// Clients at once, each with a connection that it keeps.
const AT_ONCE: usize = 64;
/// Lookups that measure the manager's own distribution.
const DIRECT: usize = 1_000;
/// An offer that every node refuses with 400: a refusal is cheap for a node, and does not count as
/// a failure.
const NO_OFFER: &str = "v=0\r\n";

async fn cluster(weights: [u32; 5]) -> Deployment {
    let node = |(weight, last)| NodeConfig {
        weight,
        ..NodeConfig::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
    };
    Deployment::with(ClusterConfig {
        nodes: weights.into_iter().zip(2..).map(node).collect(),
        ..ClusterConfig::default()
    })
    .await
}

/// How often the manager names each node when it is asked for one at a time.
async fn by_the_manager(deployment: &Deployment) -> Vec<usize> {
    let mut manager = Client::plain(deployment.cluster.manager().address())
        .keep()
        .await;
    let mut shares = vec![0; deployment.cluster.nodes().len()];
    for _ in 0..DIRECT {
        let lookup = "/streammanager/api/4.0/event/live/s1?action=subscribe";
        let answer = manager.send(Request::get(lookup).body("").unwrap()).await;
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let address = answer["serverAddress"].as_str().unwrap().parse().unwrap();
        shares[deployment.cluster.node_at(address).unwrap().index()] += 1;
    }
    shares
}

async fn players(client: &Client, from: usize) {
    let mut kept = client.keep().await;
    for number in (from..PLAYERS).step_by(AT_ONCE) {
        let target = format!("/live/whep/endpoint/s1?requestId=subscriber-{number}&signal=true");
        let request = Request::post(target).header("content-type", "application/sdp");
        let reply = kept.send(request.body(NO_OFFER).unwrap()).await;
        assert_eq!(reply.status, 400, "the node's own: {}", reply.text());
    }
}

/// A burst of players of one stream; the players of each node, and the number of lookups.
async fn burst(deployment: &Deployment, config: Config) -> (Vec<usize>, u64) {
    let proxy = deployment.proxy_with(config);
    deployment.cluster.seen().clear();
    join_all((0..AT_ONCE).map(|from| players(&proxy.plain, from))).await;
    let seen = deployment.cluster.seen();
    let got = |node| seen.received(Server::Node(node), &Method::POST);
    let nodes = deployment.cluster.nodes();
    let shares = nodes
        .iter()
        .map(|node| usize::try_from(got(node.index())).unwrap())
        .collect();
    (shares, seen.lookups(Action::Subscribe, "live", "s1"))
}

async fn are_spread(weights: [u32; 5], set: impl FnOnce(&mut Config)) {
    let deployment = cluster(weights).await;
    let mut config = deployment.config();
    set(&mut config);
    let publisher = Publisher::new().await.unwrap();
    let node = Client::plain(deployment.cluster.nodes()[0].address());
    let offer = publisher.offer().await.unwrap();
    let created = node.sdp("POST", "/live/whip/endpoint/s1", &offer).await;
    assert_eq!(created.status, 201, "{}", created.text());
    publisher.answer(&created.text()).await.unwrap();

    let wanted = by_the_manager(&deployment).await;
    let (got, lookups) = burst(&deployment, config).await;
    let shares = format!(
        "the manager alone: {wanted:?} of {DIRECT}; through the proxy: {got:?} with {lookups} lookups"
    );
    assert_eq!(got.iter().sum::<usize>(), PLAYERS, "{shares}");
    for (got, wanted) in got.iter().zip(wanted) {
        let wanted = wanted * PLAYERS / DIRECT;
        assert!(
            got.abs_diff(wanted) <= wanted / 10,
            "{got} for {wanted}; {shares}"
        );
    }
    assert!(lookups <= 500, "{shares}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_players_over_equal_nodes() {
    are_spread([1; 5], |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_players_over_nodes_that_are_not_equal() {
    are_spread([4, 2, 2, 1, 1], |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_players_over_equal_nodes_that_take_turns() {
    are_spread([1; 5], |config| {
        config.lookup.play_endpoints = 4;
        config.lookup.play_uses = 64;
    })
    .await;
}
