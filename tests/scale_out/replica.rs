//! The real binary, on a host of its own.

use std::{
    fmt, fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::{sleep, timeout};
use whipstitch_minicluster::Cluster;
use whipstitch_tests::{Client, deployment::Certificate};

use crate::lan::{self, Host};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
/// How long a draining replica still serves, for the balancer to notice: it checks twice, every 2
/// s.
const DELAY: &str = "5s";
/// Polling interval for another process.
const LOOK: Duration = Duration::from_millis(50);
/// Longest wait for a replica to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all replicas have: the same files.
pub(crate) struct Shared {
    pub(crate) certificate: Certificate,
    manager: String,
}

impl Shared {
    pub(crate) fn make(cluster: &Cluster) -> Self {
        let certificate = Certificate::make();
        fs::write(certificate.file("session.key"), KEY).unwrap();
        Self {
            certificate,
            manager: cluster.manager_url(),
        }
    }

    /// The configuration of the replica at this address.
    fn config(&self, host: Host, node_port: u16) -> PathBuf {
        let at = host.address;
        let file = |name| self.certificate.file(name).display().to_string();
        let text = format!(
            r#"
            [stream_manager]
            url = "{manager}"
            [listen]
            https = ["{at}:443"]
            http = ["{at}:8080"]
            admin = "{at}:9090"
            [tls]
            cert = "{cert}"
            key = "{key}"
            [sessions]
            key_file = "{sessions}"
            by_client = false
            [nodes]
            port = {node_port}
            allow = ["10.77.0.0/28"]
            [shutdown]
            delay = "{DELAY}"
            "#,
            manager = self.manager,
            cert = file("cert.pem"),
            key = file("key.pem"),
            sessions = file("session.key"),
        );
        let path = self.certificate.file(&format!("{at}.toml"));
        fs::write(&path, text).unwrap();
        path
    }
}

/// A running replica; killed when dropped.
pub(crate) struct Replica {
    host: Host,
    admin: Client,
    child: Child,
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the replica at {}", self.host.address)
    }
}

impl Replica {
    pub(crate) async fn start(host: Host, shared: &Shared) -> Self {
        let admin = Client::plain(SocketAddr::from((host.address, 9090)));
        let child = spawn(host, shared);
        let replica = Self { host, admin, child };
        replica.until_ready().await;
        replica
    }

    /// Ends it as systemd and Kubernetes do, and starts it again; the id of the new process.
    pub(crate) async fn restart(&mut self, shared: &Shared) -> u32 {
        let killed = Command::new("kill")
            .args(["-TERM", &self.pid().to_string()])
            .status();
        assert!(killed.unwrap().success());
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                sleep(LOOK).await;
            }
        };
        let status = timeout(PATIENCE, ended).await.expect("it ends in time");
        assert!(status.success(), "{status}");
        self.child = spawn(self.host, shared);
        self.until_ready().await;
        self.pid()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Requests for WHIP sessions that this process served with success.
    pub(crate) async fn sessions_served(&self) -> f64 {
        let name = r#"whipstitch_requests_total{class="2xx",subject="whip_session"} "#;
        let text = self.admin.get("/metrics").await.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.expect("the metric").parse().unwrap()
    }

    async fn until_ready(&self) {
        let ready = async {
            while tokio::net::TcpStream::connect(self.admin.addr())
                .await
                .is_err()
            {
                sleep(LOOK).await;
            }
            assert_eq!(self.admin.get("/readyz").await.status, 200);
        };
        timeout(PATIENCE, ready).await.expect("it starts in time");
    }
}

fn spawn(host: Host, shared: &Shared) -> Child {
    host.command(whipstitch().to_str().unwrap())
        .arg("run")
        .arg("--config")
        .arg(shared.config(host, lan::NODE_PORT))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The binary, which lies beside the tests of one build.
fn whipstitch() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("whipstitch");
    assert!(
        binary.exists(),
        "there is no {}; `cargo build --bin whipstitch` makes it",
        binary.display()
    );
    binary
}
