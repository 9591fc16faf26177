//! The login of Stream Manager 2.0, and what a token gives access to.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use whipstitch_minicluster::{Cluster, Config, NodeConfig, Role, Stage};

use crate::client::{Answer, get, get_as, with};

/// Log in with this user and password.
pub(crate) async fn login(cluster: &Cluster, user_and_password: &str) -> Answer {
    let url = format!("{}/as/v1/auth/login", cluster.manager_url());
    let basic = format!("Basic {}", STANDARD.encode(user_and_password));
    with("PUT", &url, &[("authorization", &basic)], "").await
}

/// The token of a login.
pub(crate) async fn token(cluster: &Cluster) -> String {
    let answer = login(cluster, "admin:minicluster").await;
    assert_eq!(answer.status, 200);
    answer.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_opens_the_administration_until_it_expires() {
    let cluster = Cluster::start(Config {
        token_life: Duration::from_millis(300),
        ..Config::default()
    })
    .await
    .unwrap();
    let base = cluster.manager_url();
    let groups = format!("{base}/as/v1/admin/nodegroup");
    for wrong in ["admin:wrong", "other:minicluster", "admin", ""] {
        let refused = login(&cluster, wrong).await;
        assert_eq!(refused.status, 401, "{wrong}");
        assert!(refused.json()["error"].is_string());
    }
    let token = token(&cluster).await;
    assert_eq!(token.split('.').count(), 3, "in the form of a JWT");
    assert_eq!(get_as(&token, &groups).await.json(), json!(["minicluster"]));
    for wrong in ["", "minicluster", &token[1..]] {
        assert_eq!(get_as(wrong, &groups).await.status, 401, "{wrong}");
    }
    assert_eq!(get(&groups).await.status, 401);
    assert_eq!(
        get(&format!("{base}/as/v1/admin/healthz")).await.status,
        200
    );

    let over = async {
        while get_as(&token, &groups).await.status == 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), over)
        .await
        .expect("a token is over in the end");
    cluster.shutdown().await;
}

#[tokio::test]
async fn tokens_can_be_forgotten() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let groups = format!("{}/as/v1/admin/nodegroup", cluster.manager_url());
    let before = token(&cluster).await;
    cluster.manager().forget_tokens();
    assert_eq!(get_as(&before, &groups).await.status, 401);
    let after = token(&cluster).await;
    assert_eq!(get_as(&after, &groups).await.status, 200);
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_group_lists_its_own_nodes_with_role_and_state() {
    let node = |last, group: &str, role| NodeConfig {
        group: group.to_owned(),
        role,
        ..NodeConfig::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
    };
    let nodes = vec![
        node(2, "east", Role::Origin),
        node(3, "east", Role::Edge),
        node(4, "west", Role::Transcoder),
    ];
    let cluster = Cluster::start(Config {
        nodes,
        ..Config::default()
    })
    .await
    .unwrap();
    let base = cluster.manager_url();
    let token = token(&cluster).await;
    let groups = get_as(&token, &format!("{base}/as/v1/admin/nodegroup")).await;
    assert_eq!(groups.json(), json!(["east", "west"]));
    let status = async |group: &str| {
        let url = format!("{base}/as/v1/admin/nodegroup/status/{group}");
        get_as(&token, &url).await
    };
    cluster.nodes()[1].set_stage(Stage::Terminating);
    let east = status("east").await.json();
    let described = |node: &serde_json::Value| {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (
            text(&node["nodeEvent"]["publicIp"]),
            text(&node["nodeEvent"]["nodeRoleName"]),
            text(&node["scalingEvent"]["state"]),
        )
    };
    let listed: Vec<_> = east.as_array().unwrap().iter().map(described).collect();
    let expected = [
        ("127.0.0.2", "origin", "INSERVICE"),
        ("127.0.0.3", "edge", "HARD_SUNSET"),
    ];
    assert_eq!(
        listed,
        expected.map(|(ip, role, state)| (ip.into(), role.into(), state.into()))
    );
    assert_eq!(status("west").await.json().as_array().unwrap().len(), 1);
    for unknown in ["north", "default"] {
        let missing = status(unknown).await;
        assert_eq!(missing.status, 404, "{unknown}");
        assert!(missing.json()["error"].is_string());
    }
    // Lookups keep to their group, and `default` names none if there are two.
    let ask = async |rest: &str| get(&format!("{base}/as/v1/streams/stream/{rest}")).await;
    let east = ask("east/publish/live/s?endpoints=9").await.json();
    assert_eq!(east.as_array().unwrap().len(), 1, "the origin only");
    assert_eq!(east[0]["nodeRole"], "origin");
    assert_eq!(ask("west/publish/live/s").await.status, 404, "no origin");
    assert_eq!(ask("default/publish/live/s").await.status, 404);
    cluster.shutdown().await;
}
