//! HAProxy with `deploy/loadbalancer/haproxy.cfg`.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use tokio::time::{sleep, timeout};
use whipstitch_tests::deployment::Certificate;

use crate::lan;

const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/loadbalancer/haproxy.cfg"
);
/// The addresses in that file.
const EXAMPLES: [&str; 3] = ["10.0.0.11", "10.0.0.12", "10.0.0.13"];
const PEM: &str = "/etc/haproxy/certs/live.example.com.pem";
const MAXCONN: &str = "maxconn 40000";
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);

/// A running HAProxy; killed when dropped.
pub(crate) struct Balancer {
    child: Child,
    socket: PathBuf,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Balancer {
    pub(crate) async fn start(certificate: &Certificate) -> Self {
        let (pem, socket) = (
            certificate.file("haproxy.pem"),
            certificate.file("haproxy.sock"),
        );
        let parts =
            ["cert.pem", "key.pem"].map(|name| fs::read_to_string(certificate.file(name)).unwrap());
        fs::write(&pem, parts.concat()).unwrap();
        let mut config = fs::read_to_string(EXAMPLE).unwrap();
        for (example, replica) in EXAMPLES.iter().zip(lan::REPLICAS) {
            assert!(
                config.contains(example),
                "{EXAMPLE} has no {example} any more"
            );
            config = config.replace(example, &replica.address.to_string());
        }
        // Descriptors: HAProxy does not start with fewer than it may need, and test machines have
        // 20 000.
        assert!(
            config.contains(MAXCONN),
            "{EXAMPLE} has no {MAXCONN} any more"
        );
        config = config.replace(MAXCONN, "maxconn 4000");
        config = config.replace(PEM, pem.to_str().unwrap());
        let stats = format!("global\n    stats socket {}\n", socket.display());
        config = config.replacen("global\n", &stats, 1);
        let path = certificate.file("haproxy.cfg");
        fs::write(&path, config).unwrap();
        let child = lan::EDGE
            .command("haproxy")
            .args(["-db", "-f"])
            .arg(path)
            .stdout(Stdio::null())
            .spawn()
            .expect("HAProxy starts: it is in Debian's package of that name");
        let balancer = Self { child, socket };
        balancer.until_up(lan::REPLICAS.len()).await;
        balancer
    }

    /// Where it takes TLS, and passes it on as it is.
    pub(crate) fn addr() -> SocketAddr {
        SocketAddr::from((lan::EDGE.address, 443))
    }

    /// Waits until HAProxy's checks report this many replicas up.
    pub(crate) async fn until_up(&self, count: usize) {
        let up = async {
            // HAProxy's checks send no notification.
            while self.up() < count {
                sleep(LOOK).await;
            }
        };
        timeout(PATIENCE, up)
            .await
            .expect("the replicas are found well in time");
    }

    /// Replicas of the first backend that passed a check.
    fn up(&self) -> usize {
        let Ok(mut socket) = UnixStream::connect(&self.socket) else {
            return 0;
        };
        let mut stats = String::new();
        socket.write_all(b"show stat\n").unwrap();
        socket.read_to_string(&mut stats).unwrap();
        let checked = |line: &&str| {
            line.starts_with("whipstitch,") && line.contains(",UP,") && line.contains(",L7OK,")
        };
        stats
            .lines()
            .filter(checked)
            .filter(|line| !line.contains(",BACKEND,"))
            .count()
    }
}
