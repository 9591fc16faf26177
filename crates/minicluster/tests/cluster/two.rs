//! The API of Stream Manager 2.0.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;
use whipstitch_minicluster::{Action, Cluster, Config, Lie, NodeConfig, Stage};

use crate::client::{Answer, get, send};
use crate::media::publish;

async fn ask(cluster: &Cluster, rest: &str) -> Answer {
    let base = cluster.manager_url();
    get(&format!("{base}/as/v1/streams/stream/{rest}")).await
}

/// The nodes named; none with a 404 that says why.
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
        seen.asked()[1],
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
async fn a_subgroup_is_preferred_and_demanded_only_if_strict() {
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
    for (hints, expected) in [
        ("subgroup=eu&endpoints=9", &["127.0.0.3"][..]),
        ("subgroup=eu,asia&endpoints=9", &["127.0.0.3", "127.0.0.4"]),
        ("subgroup=mars&strict=true", &[]),
    ] {
        let mut found = named(&cluster, &format!("default/publish/live/s?{hints}")).await;
        found.sort();
        assert_eq!(found, expected, "{hints}");
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn the_state_of_a_group_asks_for_a_token_and_the_proxy_is_not_here() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let base = cluster.manager_url();
    let status = format!("{base}/as/v1/admin/nodegroup/status/default");
    let refused = get(&status).await;
    assert_eq!(refused.status, 401);
    assert!(refused.json()["error"].is_string());
    cluster.nodes()[1].set_stage(Stage::Terminating);
    let list = crate::client::get_as("minicluster", &status).await.json();
    assert_eq!(list[0]["nodeState"], "INSERVICE");
    assert_eq!(list[1]["nodeState"], "HARD_SUNSET");
    let forward = format!("{base}/as/v1/proxy/forward/?target=http%3A%2F%2F127.0.0.1");
    assert_eq!(get(&forward).await.status, 404);
    let post = send("POST", &forward, "", "").await.unwrap();
    assert_eq!(post.status, 405);
    cluster.shutdown().await;
}
