//! Which nodes the Stream Manager names.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use http::Method;
use serde_json::Value;
use whipstitch_minicluster::{Cluster, Config, NodeConfig, Server, Stage};

use crate::client::{Answer, get};
use crate::media::publish;

fn nodes(weights: &[u32]) -> Vec<NodeConfig> {
    let node = |(weight, last)| NodeConfig {
        weight,
        ..NodeConfig::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
    };
    weights.iter().copied().zip(2..).map(node).collect()
}

async fn start(nodes: Vec<NodeConfig>) -> Cluster {
    Cluster::start(Config {
        nodes,
        ..Config::default()
    })
    .await
    .unwrap()
}

async fn ask(cluster: &Cluster, rest: &str) -> Answer {
    let base = cluster.manager_url();
    get(&format!("{base}/streammanager/api/4.0/event/live/{rest}")).await
}

/// The addresses named, the best first; none if there is no node.
async fn named(cluster: &Cluster, rest: &str) -> Vec<String> {
    let answer = ask(cluster, rest).await;
    if answer.status == 404 {
        assert!(answer.json()["errorMessage"].is_string());
        return Vec::new();
    }
    let address = |node: &Value| node["serverAddress"].as_str().unwrap().to_owned();
    match answer.json() {
        Value::Array(nodes) => nodes.iter().map(address).collect(),
        one => vec![address(&one)],
    }
}

#[tokio::test]
async fn players_go_where_the_weights_say_and_spares_are_distinct() {
    let cluster = start(nodes(&[4, 2, 1, 1, 0])).await;
    let _publisher = publish(&cluster, 0, "s").await;
    let mut shares = BTreeMap::new();
    for _ in 0..80 {
        let first = named(&cluster, "s?action=subscribe").await.remove(0);
        *shares.entry(first).or_insert(0) += 1;
    }
    let expected = [
        ("127.0.0.2", 40),
        ("127.0.0.3", 20),
        ("127.0.0.4", 10),
        ("127.0.0.5", 10),
    ];
    assert_eq!(
        shares,
        expected
            .map(|(node, share)| (node.to_owned(), share))
            .into()
    );

    let mut all = named(&cluster, "s?action=subscribe&endpoints=9").await;
    assert_eq!(
        (all.len(), all[0].as_str(), all[4].as_str()),
        (5, "127.0.0.2", "127.0.0.6")
    );
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
    assert_eq!(
        named(&cluster, "s?action=subscribe&endpoints=3")
            .await
            .len(),
        3
    );
    cluster.shutdown().await;
}

#[tokio::test]
async fn equal_nodes_take_turns_and_several_endpoints_are_one_turn() {
    let cluster = start(nodes(&[1, 1, 1])).await;
    let _publisher = publish(&cluster, 0, "s").await;
    for turn in [[2, 3, 4], [3, 4, 2], [4, 2, 3], [2, 3, 4]] {
        let named = named(&cluster, "s?action=subscribe&endpoints=3").await;
        assert_eq!(named, turn.map(|last| format!("127.0.0.{last}")));
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn places_are_preferred_and_demanded_only_if_strict() {
    let mut nodes = nodes(&[1, 1, 1]);
    "eu".clone_into(&mut nodes[1].region);
    "eu".clone_into(&mut nodes[2].region);
    nodes[1].geozone = Some("emea".to_owned());
    nodes[2].zone = Some("eu-wl1".to_owned());
    let cluster = start(nodes).await;
    for (hints, nodes) in [
        ("region=eu&endpoints=9", &[3, 4][..]),
        ("region=eu&zone=eu-wl1&endpoints=9", &[4]),
        ("region=eu&zone=mars&endpoints=9", &[3, 4]),
        ("region=mars&endpoints=9", &[2, 3, 4]),
        ("geozone=emea", &[3]),
        ("geozone=emea&strict=true", &[3]),
        ("zone=eu-wl1&strict=true", &[4]),
        ("region=eu&zone=mars&strict=true", &[]),
        ("region=mars&strict=true", &[]),
        ("geozone=mars&strict=true", &[]),
        ("strict=true&endpoints=3", &[2, 3, 4]),
    ] {
        let mut found = named(&cluster, &format!("s?action=broadcast&{hints}")).await;
        found.sort();
        let expected: Vec<String> = nodes.iter().map(|last| format!("127.0.0.{last}")).collect();
        assert_eq!(found, expected, "{hints}");
    }
    let asked = cluster.seen().lookup_targets();
    assert_eq!(
        asked[1],
        "live/s?action=broadcast&region=eu&zone=eu-wl1&endpoints=9"
    );
    assert_eq!(asked.len(), 11);
    assert_eq!(cluster.seen().received(Server::Manager, &Method::GET), 11);
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_node_is_called_by_its_name_and_listed_with_its_stage() {
    let mut nodes = nodes(&[1, 1]);
    nodes[0].name = Some("node1.example.com".to_owned());
    let cluster = start(nodes).await;
    assert_eq!(
        named(&cluster, "s?action=broadcast").await,
        ["node1.example.com"]
    );
    let list = async |token: &str| {
        let base = cluster.manager_url();
        get(&format!(
            "{base}/streammanager/api/4.0/admin/nodegroup/minicluster/node?accessToken={token}"
        ))
        .await
    };
    for (stage, word) in [
        (Stage::Pending, "pending"),
        (Stage::Running, "running"),
        (Stage::Terminating, "terminating"),
        (Stage::InService, "inservice"),
    ] {
        cluster.nodes()[0].set_stage(stage);
        let node = list("minicluster").await.json()[0].clone();
        assert_eq!(
            (node["state"].as_str(), node["address"].as_str()),
            (Some(word), Some("node1.example.com"))
        );
        let in_service = named(&cluster, "s?action=broadcast&endpoints=2")
            .await
            .len();
        assert_eq!(in_service, if stage == Stage::InService { 2 } else { 1 });
    }
    for token in ["", "wrong", "minicluster%20"] {
        let refused = list(token).await;
        assert_eq!(refused.status, 401, "{token}");
        assert!(refused.json()["errorMessage"].is_string());
    }
    cluster.shutdown().await;
}
