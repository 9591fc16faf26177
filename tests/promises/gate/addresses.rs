//! Nodes behind an address translation, and nodes of the polled list.

use std::time::Duration;

use whipstitch_minicluster::{Config as ClusterConfig, Lie, NodeConfig};
use whipstitch_tests::Deployment;

use super::{handshake, own_address, publish};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_behind_a_public_address_is_reached_by_its_private_one() {
    let deployment = Deployment::start().await;
    let mut config = deployment.config();
    let node = deployment.cluster.nodes()[0].ip();
    config.nodes.allow = Vec::new();
    config.nodes.map = vec![format!("203.0.113.7={node}").parse().unwrap()];
    config.timeouts.connect = Duration::from_millis(300);
    deployment
        .cluster
        .manager()
        .lie(Lie::ServerAddress("203.0.113.7".to_owned()));
    let always = deployment.proxy_with(config.clone());
    // It is reached: the answer to this offer is its own.
    let reply = publish(&always, "s1").await;
    assert!(!reply.status.is_server_error(), "{reply:?}");

    config.nodes.dial_private = false;
    let asked = deployment.proxy_with(config);
    asked
        .plain
        .get("/streammanager/api/4.0/event/live/s1?action=broadcast")
        .await;
    let query = "id=subscriber-1&host=203.0.113.7&app=live";
    let private = format!("{query}&usePrivateProxy=true");
    assert_eq!(handshake(&asked.plain, &private).await.0, 101);
    let (status, _) = handshake(&asked.plain, query).await;
    assert!(matches!(status, 502 | 504), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_the_polled_list_are_known_before_any_lookup() {
    let ip = own_address();
    if ip.is_loopback() {
        // Nodes on loopback need `nodes.allow`, which would be enough by itself.
        return;
    }
    let deployment = Deployment::with(ClusterConfig {
        nodes: vec![NodeConfig::new(ip)],
        ..ClusterConfig::default()
    })
    .await;
    let token = deployment.certificate.file("token");
    let mut config = deployment.config();
    config.nodes.allow = Vec::new();
    config.stream_manager.access_token_file = Some(token.clone());
    let query = format!("id=subscriber-1&host={ip}&app=live");
    for (text, result, status) in [("wrong", "failed", 403), ("minicluster\n", "ok", 101)] {
        std::fs::write(&token, text).unwrap();
        let proxy = deployment.proxy_with(config.clone());
        let polls = format!(r#"whipstitch_node_list_polls_total{{result="{result}"}}"#);
        proxy.until_metric(&polls, 1.0).await;
        assert_eq!(handshake(&proxy.plain, &query).await.0, status, "{text}");
    }
}
