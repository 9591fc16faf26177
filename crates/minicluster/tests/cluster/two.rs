//! The API of Stream Manager 2.0.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;
use whipstitch_minicluster::{Action, Cluster, Config, Lie, NodeConfig};

use crate::client::{Answer, get, send};
use crate::media::publish;

async fn ask(cluster: &Cluster, rest: &str) -> Answer {
    let base = cluster.manager_url();
    get(&format!("{base}/as/v1/streams/stream/{rest}")).await
}

/// The nodes named; none with a 404 that gives the reason.
async fn named(cluster: &Cluster, rest: &str) -> Vec<String> {
    let answer = ask(cluster, rest).await;
    if answer.status == 404 {
        assert!(answer.json()["error"].is_string());
        return Vec::new();
    }
    let list = answer.json();
    let nodes = list.as_array().expect("always a list").iter();
    nodes
        .map(|node| node["serverAddress"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn lookups_name_nodes_in_a_list_whatever_is_asked() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let first = ask(&cluster, "default/publish/live/s").await.json();
    let expected = json!([{
        "streamGuid": "live/s", "serverAddress": "127.0.0.2", "nodeRole": "allinone",
        "subGroup": "us-east-1", "nodeState": "INSERVICE", "subscribers": 0,
    }]);
    assert_eq!(first, expected);
    let two = named(&cluster, "minicluster/publish/live/room/s?endpoints=2").await;
    assert_eq!(two.len(), 2);
    assert!(named(&cluster, "default/subscribe/live/s").await.is_empty());
    let _publisher = publish(&cluster, 1, "s").await;
    assert_eq!(
        named(&cluster, "default/publish/live/s").await,
        ["127.0.0.3"]
    );
    assert_eq!(named(&cluster, "default/subscribe/live/s").await.len(), 1);
    assert!(named(&cluster, "other/publish/live/s").await.is_empty());
    for bad in ["default/publish/s", "default/publish/live/s?endpoints=0"] {
        let answer = ask(&cluster, bad).await;
        assert_eq!(answer.status, 400, "{bad}");
        assert!(answer.json()["error"].is_string());
    }
    let seen = cluster.seen();
    assert_eq!(
        seen.lookup_targets()[1],
        "minicluster/publish/live/room/s?endpoints=2"
    );
    assert_eq!(seen.lookups(Action::Subscribe, "live", "s"), 2);
    cluster.manager().lie(Lie::ErrorMessage("no".to_owned()));
    assert_eq!(
        ask(&cluster, "default/publish/live/s").await.json(),
        json!({"error": "no"})
    );
    cluster.shutdown().await;
}

#[tokio::test]
async fn subgroups_are_preferred_in_order_and_demanded_only_if_strict() {
    let node = |last| NodeConfig::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
    let mut nodes = vec![node(2), node(3), node(4)];
    "eu".clone_into(&mut nodes[1].region);
    "asia".clone_into(&mut nodes[2].region);
    let cluster = Cluster::start(Config {
        nodes,
        ..Config::default()
    })
    .await
    .unwrap();
    let _publisher = publish(&cluster, 0, "s").await;
    for (hints, expected) in [
        ("eu&endpoints=9", &[3, 2, 4][..]),
        ("asia,eu&endpoints=9", &[4, 3, 2]),
        ("asia,eu&endpoints=2&strict=true", &[4, 3]),
        ("eu&strict=true", &[3]),
        ("mars", &[2]),
        ("mars&strict=true", &[]),
    ] {
        let expected: Vec<String> = expected
            .iter()
            .map(|last| format!("127.0.0.{last}"))
            .collect();
        for lookup in ["publish/live/other?subgroup", "subscribe/live/s?subGroup"] {
            let found = named(&cluster, &format!("default/{lookup}={hints}")).await;
            if hints == "mars" {
                assert_eq!(found.len(), 1, "another region, {lookup}");
            } else {
                assert_eq!(
                    sorted_tail(found),
                    sorted_tail(expected.clone()),
                    "{lookup} {hints}"
                );
            }
        }
    }
    // Each action has its own spelling, and reads no other.
    let misspelt = ["publish/live/o?subGroup", "subscribe/live/s?subgroup"];
    for lookup in misspelt {
        let found = named(&cluster, &format!("default/{lookup}=mars&strict=true")).await;
        assert_eq!(found.len(), 1, "{lookup}");
    }
    cluster.shutdown().await;
}

/// The first as it is, what is equally well placed behind it in any order.
fn sorted_tail(mut nodes: Vec<String>) -> Vec<String> {
    if let [_, tail @ ..] = nodes.as_mut_slice() {
        tail.sort();
    }
    nodes
}

#[tokio::test]
async fn the_proxy_is_not_here() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let base = cluster.manager_url();
    let forward = format!("{base}/as/v1/proxy/forward/?target=http%3A%2F%2F127.0.0.1");
    assert_eq!(get(&forward).await.status, 404);
    let post = send("POST", &forward, "", "").await.unwrap();
    assert_eq!(post.status, 405);
    cluster.shutdown().await;
}
