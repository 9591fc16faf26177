//! A minicluster with the real proxy in front of it, all on loopback and on free ports.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;
use whipstitch::{
    app::{self, Context},
    config::{self, Config, Sources},
    shutdown::Drained,
};
use whipstitch_minicluster::{Cluster, Config as ClusterConfig};

use whipstitch_proxy::clock::WallClock;

pub use crate::http::SOON;

use crate::http::Client;

/// A cluster, and what proxies in front of it need.
pub struct Deployment {
    /// The Stream Manager and its nodes.
    pub cluster: Cluster,
    /// A throw-away certificate.
    pub certificate: Certificate,
}

/// A certificate for `localhost`, in files, and the roots that trust it.
pub struct Certificate {
    folder: TempDir,
    roots: Arc<RootCertStore>,
}

impl Certificate {
    /// For `localhost`.
    pub fn make() -> Self {
        Self::lasting(&["localhost", "127.0.0.1"], 365)
    }

    /// For these names, valid for this many days.
    pub fn lasting(names: &[&str], days: u32) -> Self {
        Self::ending_in(names, Duration::from_hours(24) * days)
    }

    /// For these names, and expired after this time, to the second.
    pub fn ending_in(names: &[&str], time: Duration) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = (SystemTime::now() + time).into();
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let folder = tempfile::Builder::new().prefix("tls-").tempdir().unwrap();
        fs::write(folder.path().join("cert.pem"), made.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(made.der().to_vec()))
            .unwrap();
        Self {
            folder,
            roots: Arc::new(roots),
        }
    }

    /// The file of this name beside the certificate.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Roots that trust this certificate only.
    pub fn roots(&self) -> Arc<RootCertStore> {
        self.roots.clone()
    }

    /// A client's TLS that trusts this certificate only.
    pub fn client(&self, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

impl Deployment {
    /// A cluster of the default kind.
    pub async fn start() -> Self {
        Self::with(ClusterConfig::default()).await
    }

    /// A cluster of this kind.
    pub async fn with(config: ClusterConfig) -> Self {
        let cluster = Cluster::start(config).await.unwrap();
        Self {
            cluster,
            certificate: Certificate::make(),
        }
    }

    /// The configuration of a proxy in front of this cluster; tests change what they are about.
    pub fn config(&self) -> Config {
        let mut config = Config::default();
        config.stream_manager.url = Some(self.cluster.manager_url());
        // Tests count the lookups that clients make.
        config.stream_manager.probe = Duration::ZERO;
        config.listen.https = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        config.listen.http = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        config.listen.admin = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.tls.cert = Some(self.certificate.file("cert.pem"));
        config.tls.key = Some(self.certificate.file("key.pem"));
        config.nodes.port = self.cluster.node_port();
        config.nodes.allow = self
            .cluster
            .nodes()
            .iter()
            .map(|node| node.ip().into())
            .collect();
        config.shutdown.deadline = SOON;
        config
    }

    /// A proxy with [`Deployment::config`].
    pub fn proxy(&self) -> Proxy {
        self.proxy_with(self.config())
    }

    /// A proxy with this configuration.
    pub fn proxy_with(&self, config: Config) -> Proxy {
        self.around(app::start(config).unwrap())
    }

    /// A proxy with this configuration, whose wall clock is this one.
    pub fn proxy_by(&self, clock: &WallClock, config: Config) -> Proxy {
        let context = Context {
            clock: clock.clone(),
            ..Context::default()
        };
        self.around(app::start_with(config, context).unwrap())
    }

    /// A proxy with this configuration, which looks for vanished clients at these times.
    pub fn proxy_that_looks(
        &self,
        vanished: whipstitch_proxy::vanished::Timing,
        config: Config,
    ) -> Proxy {
        let context = Context {
            vanished,
            ..Context::default()
        };
        self.around(app::start_with(config, context).unwrap())
    }

    /// A proxy with the configuration in this file, which it reads again when it is told to.
    pub fn proxy_from(&self, file: &Path) -> Proxy {
        let sources = Sources {
            file: Some(file.to_owned()),
            ..Sources::default()
        };
        let loaded = config::load(&sources).unwrap();
        let context = Context {
            config_file: loaded.file,
            origins: loaded.origins,
            sources: Some(sources),
            ..Context::default()
        };
        self.around(app::start_with(loaded.config, context).unwrap())
    }

    fn around(&self, running: app::Running) -> Proxy {
        let tls = |alpn| Client::tls(running.https()[0], self.certificate.client(alpn));
        Proxy {
            h1: tls(&[b"http/1.1"]),
            h2: tls(&[b"h2"]),
            plain: Client::plain(running.http()[0]),
            admin: Client::plain(running.admin().unwrap()),
            running,
        }
    }
}

/// A running proxy, and a client for each of its sides.
pub struct Proxy {
    /// HTTP/1.1 over TLS.
    pub h1: Client,
    /// HTTP/2 over TLS.
    pub h2: Client,
    /// HTTP/1.1 without TLS.
    pub plain: Client,
    /// The admin listener.
    pub admin: Client,
    running: app::Running,
}

impl Proxy {
    /// The value of a metric, written as Prometheus does, labels included.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.admin.get("/metrics").await.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no metric {name}"))
            .parse()
            .unwrap()
    }

    /// Waits until a metric has this value.
    pub async fn until_metric(&self, name: &str, value: f64) {
        let reached = async {
            // Polls a counter in another part of the same process, which sends no notification.
            while (self.metric(name).await - value).abs() > f64::EPSILON {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, reached)
            .await
            .unwrap_or_else(|_| panic!("{name} is not {value} in time"));
    }

    /// Drains it.
    pub async fn drain(self) -> Drained {
        self.running.drain().await
    }
}
