//! Stream Manager 2.0: with a user and a password a replica knows the nodes of the manager's list
//! without any lookup, and a refused login is reported and not repeated.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    time::Duration,
};

use http::{Method, Request};
use serde_json::Value;
use tokio::time::timeout;
use whipstitch::config::Config;
use whipstitch_minicluster::{Config as ClusterConfig, NodeConfig, Server};
use whipstitch_signaling::Api;
use whipstitch_tests::{Deployment, Proxy, deployment::SOON, websocket::raw};

const OK: &str = r#"whipstitch_stream_manager_logins_total{result="ok"}"#;
const REFUSED: &str = r#"whipstitch_stream_manager_logins_total{result="refused"}"#;
const POLLED: &str = r#"whipstitch_node_list_polls_total{result="ok"}"#;
const FAILED: &str = r#"whipstitch_node_list_polls_total{result="failed"}"#;
/// Polling interval for a counter.
const PAUSE: Duration = Duration::from_millis(5);
const FAILING: &str = "whipstitch_stream_manager_login_failing";

/// This machine's address towards others; nothing is sent for it.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    match socket.connect("198.51.100.1:9") {
        Ok(()) => socket.local_addr().unwrap().ip(),
        Err(_) => Ipv4Addr::new(127, 0, 0, 77).into(),
    }
}

/// A cluster with one node, and the configuration of a proxy that may dial it only if the manager
/// names it.
struct Setup {
    deployment: Deployment,
    config: Config,
    node: IpAddr,
}

impl Setup {
    async fn with_password(password: &str) -> Self {
        let node = own_address();
        let deployment = Deployment::with(ClusterConfig {
            nodes: vec![NodeConfig::new(node)],
            ..ClusterConfig::default()
        })
        .await;
        let mut config = deployment.config();
        config.stream_manager.api = Api::V2;
        config.stream_manager.user_file = Some(deployment.certificate.file("user"));
        config.stream_manager.password_file = Some(deployment.certificate.file("password"));
        config.nodes.allow = Vec::new();
        let setup = Self {
            deployment,
            config,
            node,
        };
        fs::write(setup.deployment.certificate.file("user"), "admin\n").unwrap();
        setup.write_password(password);
        setup
    }

    fn write_password(&self, password: &str) {
        fs::write(self.deployment.certificate.file("password"), password).unwrap();
    }

    /// The statuses of a WebSocket and of a request that name the node, to a proxy that has asked
    /// for no stream.
    async fn met(&self, proxy: &Proxy) -> [u16; 2] {
        let node = self.node;
        let socket = format!(
            "/as/v1/proxy/ws/subscribe/live/s1?id=subscriber-1&nodeGroup=default&host={node}"
        );
        let (head, _socket) = raw(&proxy.plain, &socket, "").await;
        let asked = format!("/as/v1/proxy/whep/live/s1?host={node}");
        let options = proxy.plain.bare("OPTIONS", &asked).await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        [status, options.status.as_u16()]
    }

    /// Nodes on loopback would need `nodes.allow`, which would be enough by itself.
    fn nodes_are_on_loopback(&self) -> bool {
        self.node.is_loopback()
    }
}

async fn reload(proxy: &Proxy) {
    let request = Request::post("/reload").header("content-type", "application/json");
    let reply = proxy
        .admin
        .send(request.body("{}".to_owned()).unwrap())
        .await;
    assert!(reply.text().contains("node"), "{}", reply.text());
}

async fn manager(proxy: &Proxy) -> Value {
    let status = proxy.admin.get("/status").await;
    let mut status: Value = serde_json::from_slice(&status.body).unwrap();
    status["manager"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_in_service_are_known_after_a_login() {
    let setup = Setup::with_password("minicluster\n").await;
    let proxy = setup.deployment.proxy_with(setup.config.clone());
    proxy.until_metric(POLLED, 1.0).await;
    assert!((proxy.metric(OK).await - 1.0).abs() < f64::EPSILON);
    let status = manager(&proxy).await;
    assert_eq!(status["login"]["state"], "accepted", "{status}");
    assert!(status["login"]["token_ends_at"].is_u64(), "{status}");
    assert_eq!(status["node_list"]["state"], "known", "{status}");
    if !setup.nodes_are_on_loopback() {
        assert_eq!(status["node_list"]["nodes"], 1, "{status}");
        assert_eq!(setup.met(&proxy).await, [101, 200]);
        assert!(setup.deployment.cluster.seen().lookup_targets().is_empty());
    }
    // Its tokens are no longer valid at the manager.
    setup.deployment.cluster.manager().forget_tokens();
    reload(&proxy).await;
    proxy.until_metric(OK, 2.0).await;
    proxy.until_metric(POLLED, 2.0).await;
    assert!(proxy.metric(FAILED).await.abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_reported_until_the_password_is_right() {
    let setup = Setup::with_password("s3cret").await;
    let mut config = setup.config.clone();
    // It polls again at once, and the manager gets one login only.
    config.nodes.poll = Duration::from_millis(50);
    let proxy = setup.deployment.proxy_with(config);
    proxy.until_metric(REFUSED, 1.0).await;
    proxy.until_metric(FAILING, 1.0).await;
    let status = manager(&proxy).await;
    assert_eq!(status["login"]["state"], "refused", "{status}");
    let error = status["login"]["error"].as_str().unwrap();
    assert!(error.contains("status 401"), "{error}");
    assert!(error.contains("password_file"), "{error}");
    assert_eq!(status["node_list"]["state"], "failing");
    assert!(!status.to_string().contains("s3cret"));
    assert_eq!(setup.met(&proxy).await, [403, 403]);
    let polls = proxy.metric(FAILED).await;
    let more = async {
        // Polls a counter in another part of the same process, which sends no notification.
        while proxy.metric(FAILED).await < polls + 3.0 {
            tokio::time::sleep(PAUSE).await;
        }
    };
    timeout(SOON, more).await.unwrap();
    let logins = setup.deployment.cluster.seen();
    assert_eq!(logins.received(Server::Manager, &Method::PUT), 1);

    setup.write_password("minicluster");
    proxy.until_metric(OK, 1.0).await;
    proxy.until_metric(FAILING, 0.0).await;
    if !setup.nodes_are_on_loopback() {
        let known = async {
            while proxy.metric(POLLED).await < 1.0 {
                tokio::time::sleep(PAUSE).await;
            }
        };
        timeout(SOON, known).await.unwrap();
        assert_eq!(setup.met(&proxy).await, [101, 200]);
    }
    assert_eq!(manager(&proxy).await["login"]["state"], "accepted");
}
