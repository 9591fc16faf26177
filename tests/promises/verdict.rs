//! The verdict is true: each cause is made, told in `/status` (which the page shows), by
//! `whipstitch status` with code 1, and by the metric of the alerts; then it is cured, and the
//! verdict is healthy again.
//!
//! `starting` is over before a test could ask; it is tested beside the code.

mod files;
mod served;

use std::{fs, path::PathBuf, time::Duration};

use http::Request;
use serde_json::{Value, json};
use tempfile::TempDir;
use whipstitch::config::Config;
use whipstitch_minicluster::Config as ClusterConfig;
use whipstitch_tests::{Deployment, Proxy, Reply, deployment::SOON};

use crate::commands::run;

/// A proxy with an admin socket, and the file that it was started with.
struct Setup {
    deployment: Deployment,
    proxy: Proxy,
    file: PathBuf,
    socket: PathBuf,
    _folder: TempDir,
}

impl Setup {
    async fn start() -> Self {
        Self::with(ClusterConfig::default(), |_, _| {}).await
    }

    async fn with(cluster: ClusterConfig, change: impl FnOnce(&Deployment, &mut Config)) -> Self {
        let deployment = Deployment::with(cluster).await;
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("admin.sock");
        let mut config = deployment.config();
        config.admin.socket = Some(socket.clone());
        config.nodes.eject_for = Duration::from_millis(100);
        change(&deployment, &mut config);
        let file = folder.path().join("whipstitch.toml");
        fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        let setup = Self {
            proxy: deployment.proxy_from(&file),
            deployment,
            file,
            socket,
            _folder: folder,
        };
        setup.is_healthy().await;
        setup
    }

    async fn post(&self, target: &str) -> Reply {
        let request = Request::post(target).header("content-type", "application/json");
        let request = request.body("{}".to_owned()).unwrap();
        self.proxy.admin.send(request).await
    }

    /// Whether every part of a reload could be used.
    async fn reload(&self) -> bool {
        let report = self.post("/reload").await.text();
        !report.contains("failed")
    }

    /// The verdict, once it is as wanted.
    async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let seen = async {
            loop {
                let status = self.proxy.admin.get("/status").await;
                let mut status: Value = serde_json::from_slice(&status.body).unwrap();
                last = status["verdict"].take();
                if wanted(&last) {
                    return last.clone();
                }
                // Polls another part of the same process, which sends no notification.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let seen = tokio::time::timeout(SOON, seen).await;
        seen.unwrap_or_else(|_| panic!("{what}: {last}"))
    }

    /// Waits until the cause is told with this severity, everywhere, and returns its text.
    async fn tells(&self, cause: &str, severity: &str) -> String {
        let is_it = |one: &Value| one["cause"] == cause && one["severity"] == severity;
        let verdict = self
            .until(cause, |verdict| {
                verdict["causes"].as_array().unwrap().iter().any(is_it)
            })
            .await;
        let causes = verdict["causes"].as_array().unwrap();
        let found = causes.iter().find(|one| is_it(one)).unwrap();
        assert_ne!(verdict["level"], "healthy");
        assert!(verdict["level"] == causes[0]["severity"], "{verdict}");
        assert!(found["since_at"].as_u64().unwrap() > 0, "{found}");
        let (text, action) = (found["text"].as_str().unwrap(), &found["action"]);

        let exit = run(&format!("status --admin {}", self.socket.display())).await;
        assert_eq!(exit.code, 1, "{cause}: {}", exit.out);
        let line = exit.out.lines().find(|line| line.contains(text));
        let line = line.unwrap_or_else(|| panic!("{text} in {}", exit.out));
        assert!(line.contains(" UTC") && line.contains("since "), "{line}");
        assert!(exit.out.contains(action.as_str().unwrap()), "{}", exit.out);

        let value = if severity == "warning" { 1.0 } else { 2.0 };
        let metric = format!("whipstitch_verdict{{cause=\"{cause}\"}}");
        self.proxy.until_metric(&metric, value).await;
        text.to_owned()
    }

    /// Waits until nothing is wrong, everywhere.
    async fn is_healthy(&self) {
        let nothing = json!({"level": "healthy", "causes": []});
        self.until("healthy", |verdict| *verdict == nothing).await;
        let exit = run(&format!("status --admin {}", self.socket.display())).await;
        assert_eq!(exit.code, 0, "{}", exit.out);
        let metrics = self.proxy.admin.get("/metrics").await.text();
        let mut verdicts = metrics
            .lines()
            .filter(|line| line.starts_with("whipstitch_verdict{"));
        assert!(verdicts.all(|line| line.ends_with(" 0")), "{metrics}");
    }
}
