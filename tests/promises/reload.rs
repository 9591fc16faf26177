//! A reload applies what can change at runtime, leaves open sessions alone, and names the settings
//! that need a restart.

use std::{fs, path::PathBuf};

use http::{Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use whipstitch::config::Config;
use whipstitch_tests::{Deployment, Proxy, deployment::SOON, websocket::Dialogue};

/// The Stream Manager answers `/` with its own 404.
const OF_MANAGER: StatusCode = StatusCode::NOT_FOUND;

/// Metric: whether the last configuration that was read had mistakes.
const REFUSED: &str = "whipstitch_configuration_unusable";

/// A proxy, and the file that it was started with.
struct Setup {
    deployment: Deployment,
    config: Config,
    file: PathBuf,
    proxy: Proxy,
    _folder: TempDir,
}

impl Setup {
    async fn start() -> Self {
        let deployment = Deployment::start().await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("whipstitch.toml");
        let config = deployment.config();
        fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        Self {
            proxy: deployment.proxy_from(&file),
            deployment,
            config,
            file,
            _folder: folder,
        }
    }

    /// Writes another configuration and reloads it; returns the result.
    async fn change(&mut self, change: impl FnOnce(&mut Config)) -> String {
        change(&mut self.config);
        fs::write(&self.file, toml::to_string(&self.config).unwrap()).unwrap();
        self.reload().await
    }

    async fn reload(&self) -> String {
        let request = Request::post("/reload").header("content-type", "application/json");
        let reply = self.proxy.admin.send(request.body("{}").unwrap()).await;
        let report: Value = serde_json::from_slice(&reply.body).unwrap();
        report["settings"].as_str().unwrap().to_owned()
    }

    /// The active value of one key, as the admin interface shows it.
    async fn counts(&self, key: &str) -> Value {
        let reply = self.proxy.admin.get("/config").await;
        let settings: Value = serde_json::from_slice(&reply.body).unwrap();
        let settings = settings.as_array().unwrap();
        let found = settings.iter().find(|setting| setting["key"] == key);
        found.unwrap()["value"].clone()
    }

    fn socket(&self) -> String {
        let node = self.deployment.cluster.nodes()[0].ip();
        format!("/streammanager/?id=subscriber-1&host={node}&app=live")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_request_of_an_open_connection_uses_the_new_settings() {
    let mut setup = Setup::start().await;
    let root = || Request::get("/").body("").unwrap();
    for mut kept in [setup.proxy.h1.keep().await, setup.proxy.h2.keep().await] {
        assert_eq!(kept.send(root()).await.status, OF_MANAGER);
        let result =
            setup.change(|config| config.proxy.hosts = vec!["live.example.com".to_owned()]);
        assert_eq!(result.await, "reloaded: proxy.hosts");
        assert_eq!(kept.send(root()).await.status, 421);
        let result = setup.change(|config| config.proxy.hosts.clear()).await;
        assert_eq!(result, "reloaded: proxy.hosts");
        assert_eq!(kept.send(root()).await.status, OF_MANAGER);
    }
    assert_eq!(setup.reload().await, "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_change_without_closing_open_sessions() {
    let mut setup = Setup::start().await;
    let target = setup.socket();
    let open = async |setup: &Setup| Dialogue::open(&setup.proxy.h1, &target).await;
    let mut first = open(&setup).await.unwrap();
    let result = setup.change(|config| config.limits.sockets = 1).await;
    assert_eq!(result, "reloaded: limits.sockets");
    assert!(
        open(&setup).await.is_err(),
        "there is one place, and it is taken"
    );
    assert_eq!(setup.counts("limits.sockets").await, json!(1));
    setup.change(|config| config.limits.sockets = 2).await;
    let _second = open(&setup).await.unwrap();
    assert!(open(&setup).await.is_err());
    // The session from before the reload stays open.
    first.send(json!({"isAvailable": "stream1"})).await;
    first
        .receive_until(|result| result.get("isAvailable").is_some())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_can_be_allowed_and_forbidden() {
    let mut setup = Setup::start().await;
    let target = setup.socket();
    Dialogue::open(&setup.proxy.h1, &target).await.unwrap();
    let nodes = setup.config.nodes.allow.clone();
    let result = setup.change(|config| config.nodes.allow.clear()).await;
    assert_eq!(result, "reloaded: nodes.allow");
    assert!(Dialogue::open(&setup.proxy.h1, &target).await.is_err());
    setup.change(|config| config.nodes.allow = nodes).await;
    Dialogue::open(&setup.proxy.h1, &target).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_is_sent_to_a_node_that_is_no_longer_allowed() {
    const TARGET: &str = "/live/whip/endpoint/stream1";
    let mut setup = Setup::start().await;
    let options = async |setup: &Setup| setup.proxy.h1.bare("OPTIONS", TARGET).await.status;
    assert_eq!(options(&setup).await, StatusCode::OK);
    // The Stream Manager's answer is cached, and the client has affinity to the node. Both were
    // allowed before.
    let result = setup.change(|config| config.nodes.allow.clear()).await;
    assert_eq!(result, "reloaded: nodes.allow");
    let offer = setup.proxy.h1.sdp("POST", TARGET, "v=0\r\n").await;
    assert_eq!(offer.problem(), "node-refused");
    assert_eq!(options(&setup).await, StatusCode::BAD_GATEWAY);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_need_a_restart_are_named_and_not_applied() {
    let mut setup = Setup::start().await;
    let result = setup.change(|config| {
        config.timeouts.answer *= 2;
        config.connections.max = 77;
        config.lookup.capacity = 78;
    });
    assert_eq!(
        result.await,
        "reloaded: timeouts.answer; a restart is needed for lookup.capacity, connections.max"
    );
    assert_eq!(setup.counts("timeouts.answer").await, json!("12s"));
    let max = Config::default().connections.max;
    assert_eq!(setup.counts("connections.max").await, json!(max));
    let waiting = "whipstitch_settings_waiting";
    setup.proxy.until_metric(waiting, 2.0).await;
    // Reported again, as long as it is so.
    let again = setup.reload().await;
    assert_eq!(
        again,
        "a restart is needed for lookup.capacity, connections.max"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_changes_nothing_and_is_named() {
    let mut setup = Setup::start().await;
    setup.config.proxy.enabled = false;
    let mut text = toml::to_string(&setup.config).unwrap();
    text.push_str("\n[limts]\nsockets = 3\n");
    fs::write(&setup.file, &text).unwrap();
    let result = setup.reload().await;
    assert!(result.starts_with("failed: "), "{result}");
    assert!(result.contains("limts"), "{result}");
    assert!(result.contains("limits"), "{result}");
    assert_eq!(setup.counts("proxy.enabled").await, json!(true));
    setup.proxy.until_metric(REFUSED, 1.0).await;
    fs::remove_file(&setup.file).unwrap();
    let result = setup.reload().await;
    assert!(result.contains("cannot be read"), "{result}");
    assert_eq!(setup.proxy.h1.get("/").await.status, OF_MANAGER);
    let result = setup.change(|config| config.proxy.enabled = true).await;
    assert_eq!(result, "unchanged");
    setup.proxy.until_metric(REFUSED, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_reloads_leak_nothing() {
    const TASKS: &str = "whipstitch_runtime_tasks";
    let mut setup = Setup::start().await;
    // What a first reload allocates.
    setup.change(|config| config.limits.sockets += 1).await;
    let before = setup.proxy.metric(TASKS).await;
    for _ in 0..20 {
        let result = setup.change(|config| config.limits.sockets += 1).await;
        assert_eq!(result, "reloaded: limits.sockets");
    }
    let limit = r#"whipstitch_limit{key="limits.sockets"}"#;
    let most = setup.config.limits.sockets.to_string().parse().unwrap();
    setup.proxy.until_metric(limit, most).await;
    // Each stack has a task of its own, which ends with it.
    let ended = async { while setup.proxy.metric(TASKS).await > before + 10.0 {} };
    tokio::time::timeout(SOON, ended).await.unwrap();
}
