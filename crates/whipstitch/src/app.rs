//! What is made of what. Nothing here decides anything about a request; see `whipstitch_proxy::stack` for that.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::upgrade::Upgraded;
use prometheus::{IntGauge, Opts, Registry};
use thiserror::Error;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower_http::add_extension::AddExtension;
use tracing::{info, warn};
use whipstitch_ingress::{
    self as ingress, CertStore, ConnectionInfo, Listener, Server, TlsError, config::Connections,
};
use whipstitch_origin::{
    self as origin, AllowedOrigins, BaseUrl, BaseUrlError, Breaker, Cached, Health, NodeList,
    Resolver, StreamManager, connect::ManagerAddress,
};
use whipstitch_proxy::{
    self as proxy, Dependencies, Peer, Stack, config::Ice, splice::Detached, stack,
};
use whipstitch_signaling::{
    ice::IceServers,
    session::{KeyError, SessionKeys},
};

use crate::{
    admin::{self, View},
    config::{Config, Sessions},
    ice::{self, IceFileError, IceFiles},
    session_keys::{KeyFile, KeyFileError, Reloads},
    shutdown::{Drained, Shutdown},
    telemetry::LinesDropped,
};

/// Prometheus and probes: few clients, and they must be served when the data listeners are full.
const ADMIN_CONNECTIONS: usize = 64;

/// A running proxy. Dropping it ends nothing; see [`Running::drain`].
#[derive(Debug)]
pub struct Running {
    https: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    shutdown: Shutdown,
    deadline: Duration,
}

impl Running {
    /// The addresses that speak TLS, with the ports that were taken.
    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }

    /// The addresses that speak plain HTTP, with the ports that were taken.
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    /// The address of metrics and probes.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Every address that is listened on.
    fn listeners(&self) -> Vec<SocketAddr> {
        let all = self.https.iter().chain(&self.http).chain(&self.admin);
        all.copied().collect()
    }

    /// Ends everything in the order of [`crate::shutdown`], within `shutdown.deadline` and a second.
    pub async fn drain(self) -> Drained {
        self.shutdown.drain(self.deadline).await
    }
}

/// Starts the proxy on the current tokio runtime; returns when every address is bound.
///
/// # Panics
/// Outside a tokio runtime.
///
/// # Errors
/// What could not be read, bound or understood.
pub fn start(config: Config) -> Result<Running, StartError> {
    let shutdown = Shutdown::default();
    let registry = registry()?;
    let tls = tls(&config, &registry, &shutdown)?;
    let deadline = config.shutdown.deadline;

    let https = bind(&config.listen.https)?;
    let http = bind(&config.listen.http)?;
    let admin = config
        .listen
        .admin
        .map(|addr| bind(&[addr]))
        .transpose()?
        .and_then(|mut one| one.pop());
    let running = Running {
        https: https.iter().map(Listener::addr).collect(),
        http: http.iter().map(Listener::addr).collect(),
        admin: admin.as_ref().map(Listener::addr),
        shutdown: shutdown.clone(),
        deadline,
    };

    let connections = config.connections.clone();
    let finding = finding(&config, &registry, &shutdown, running.listeners())?;
    let view = View::new(&finding);
    let stack = compose(config, finding, &registry, &shutdown)?;
    let server = Server::new(
        connections,
        shutdown.connections.clone(),
        shutdown.stop_accepting.clone(),
        shutdown.drain_connections.clone(),
        tls.metrics,
    );
    for (listeners, acceptor) in [(https, tls.acceptor), (http, None)] {
        for listener in listeners {
            let stack = stack.clone();
            let service = move |info: ConnectionInfo| {
                AddExtension::new(stack.clone(), Peer::new(info.peer, info.tls))
            };
            shutdown
                .background
                .spawn(server.clone().run(listener, acceptor.clone(), service));
        }
    }
    if let Some(listener) = admin {
        serve_admin(listener, view, registry, &shutdown)?;
    }
    shutdown.readiness.ready();
    info!(https = ?running.https, http = ?running.http, admin = ?running.admin, "ready");
    Ok(running)
}

/// What finds nodes.
pub(crate) struct Finding {
    pub(crate) manager: ManagerAddress,
    pub(crate) allowed: Arc<AllowedOrigins>,
    pub(crate) health: Health,
    pub(crate) directory: Arc<Cached>,
}

fn finding(
    config: &Config,
    registry: &Registry,
    shutdown: &Shutdown,
    listeners: Vec<SocketAddr>,
) -> Result<Finding, StartError> {
    let base = BaseUrl::parse(config.stream_manager.url.as_deref().unwrap_or_default())?;
    // A resolver of its own: however many names of nodes hang, the manager's is still asked for.
    let manager = ManagerAddress::new(base, Resolver::system(shutdown.background.clone()));
    let origin_metrics = origin::Metrics::register(registry)?;
    let allowed = AllowedOrigins::new(&config.nodes, origin_metrics.clone())
        .resolving_with(Resolver::system(shutdown.background.clone()))
        .listening_on(listeners)
        .apart_from(manager.clone());
    let allowed = Arc::new(allowed);
    let asked = StreamManager::new(
        manager.clone(),
        &config.stream_manager,
        &config.lookup,
        allowed.clone(),
        origin_metrics.clone(),
    )
    .map_err(StartError::Roots)?;
    let node_list = NodeList::new(
        manager.clone(),
        &config.stream_manager,
        config.nodes.poll,
        allowed.clone(),
        origin_metrics.clone(),
    );
    if let Some(list) = node_list.map_err(StartError::Roots)? {
        let stop = shutdown.stop_accepting.clone();
        shutdown.background.spawn(list.run(stop));
    }
    let breaker = Breaker::new(
        Arc::new(asked),
        shutdown.background.clone(),
        shutdown.stop_accepting.clone(),
        origin_metrics.clone(),
    );
    let health = Health::new(&config.nodes, origin_metrics.clone());
    let directory = Arc::new(Cached::new(
        Arc::new(breaker),
        config.lookup.clone(),
        health.clone(),
        shutdown.background.clone(),
        origin_metrics,
    ));
    Ok(Finding {
        manager,
        allowed,
        health,
        directory,
    })
}

/// The proxy as one service.
fn compose(
    config: Config,
    finding: Finding,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<Stack, StartError> {
    let session_keys = session_keys(&config.sessions, registry, shutdown)?;
    let ice = ice_servers(&config.ice, registry, shutdown)?;
    stack(Dependencies {
        api: config.stream_manager.api,
        proxy: config.proxy,
        limits: config.limits,
        timeouts: config.timeouts,
        manager: finding.manager,
        directory: finding.directory,
        allowed: finding.allowed,
        session_keys,
        session_lifetime: config.sessions.lifetime,
        sessions_by_client: config.sessions.by_client,
        ice,
        detach,
        exchanges: shutdown.exchanges.clone(),
        sockets: shutdown.sockets.clone(),
        background: shutdown.background.clone(),
        close_sockets: shutdown.close_sockets.clone(),
        metrics: proxy::Metrics::register(registry)?,
    })
    .map_err(StartError::Roots)
}

/// The keys of session URLs, now and whenever their file changes.
fn session_keys(
    config: &Sessions,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<watch::Receiver<Arc<SessionKeys>>, StartError> {
    let reloads = Reloads::register(registry)?;
    let Some(path) = &config.key_file else {
        warn!(
            "sessions.key_file is not set: session URLs are sealed with a key that ends with this process; \
             set it to the same file on every replica, or PATCH and DELETE fail after a restart and on other replicas"
        );
        let keys = SessionKeys::random().map_err(StartError::Keys)?;
        return Ok(watch::channel(Arc::new(keys)).1);
    };
    let (file, keys) = KeyFile::load(path)?;
    shutdown
        .background
        .spawn(file.watch(shutdown.stop_accepting.clone(), reloads));
    Ok(keys)
}

/// The ICE servers, now and whenever the files of their secrets change.
fn ice_servers(
    config: &Ice,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<watch::Receiver<Arc<IceServers>>, StartError> {
    let reloads = ice::Reloads::register(registry)?;
    let (files, servers) = IceFiles::load(config)?;
    if files.can_change() {
        let stop = shutdown.stop_accepting.clone();
        shutdown.background.spawn(files.watch(stop, reloads));
    }
    Ok(servers)
}

/// The one place that knows both what the proxy needs of a socket and what kinds of socket there are.
fn detach(upgraded: Upgraded) -> Detached {
    match ingress::detach(upgraded) {
        ingress::Detached::Socket(socket, read) => Detached {
            io: Box::new(socket),
            read,
        },
        ingress::Detached::Stream(stream) => Detached {
            io: Box::new(stream),
            read: hyper::body::Bytes::new(),
        },
    }
}

fn registry() -> Result<Registry, StartError> {
    let registry = Registry::new_custom(Some("whipstitch".to_owned()), None)?;
    let version = Opts::new("build_info", "1, with the version of this build.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let build = IntGauge::with_opts(version)?;
    build.set(1);
    registry.register(Box::new(build))?;
    registry.register(Box::new(LinesDropped::new()?))?;
    Ok(registry)
}

/// Every metric family of the proxy, as it is before the first request; for the reference page.
pub(crate) fn metric_families() -> Vec<prometheus::proto::MetricFamily> {
    let families = registry().ok().filter(|registry| {
        ingress::Metrics::register(registry).is_ok()
            && origin::Metrics::register(registry).is_ok()
            && proxy::Metrics::register(registry).is_ok()
            && Reloads::register(registry).is_ok()
            && ice::Reloads::register(registry).is_ok()
    });
    families
        .map(|registry| registry.gather())
        .unwrap_or_default()
}

struct Tls {
    acceptor: Option<TlsAcceptor>,
    metrics: ingress::Metrics,
}

fn tls(config: &Config, registry: &Registry, shutdown: &Shutdown) -> Result<Tls, StartError> {
    let metrics = ingress::Metrics::register(registry)?;
    let acceptor = match (&config.tls.cert, &config.tls.key) {
        _ if config.listen.https.is_empty() => None,
        (Some(cert), Some(key)) => {
            let store = CertStore::load(cert, key)?;
            let acceptor = store.acceptor()?;
            shutdown
                .background
                .spawn(store.watch(shutdown.stop_accepting.clone(), metrics.clone()));
            Some(acceptor)
        }
        _ => return Err(StartError::NoCertificate),
    };
    Ok(Tls { acceptor, metrics })
}

fn bind(addrs: &[SocketAddr]) -> Result<Vec<Listener>, StartError> {
    addrs
        .iter()
        .map(|addr| Listener::bind(*addr).map_err(|error| StartError::Bind(*addr, error)))
        .collect()
}

fn serve_admin(
    listener: Listener,
    view: View,
    registry: Registry,
    shutdown: &Shutdown,
) -> Result<(), StartError> {
    let process = Registry::new();
    #[cfg(target_os = "linux")]
    process.register(Box::new(
        prometheus::process_collector::ProcessCollector::for_self(),
    ))?;
    let limits = Connections {
        max: ADMIN_CONNECTIONS,
        ..Connections::default()
    };
    // Counted by nobody: what Prometheus itself does is not traffic.
    let metrics = ingress::Metrics::register(&Registry::new())?;
    let (tasks, stop) = (shutdown.background.clone(), shutdown.stop_admin.clone());
    let server = Server::new(limits, tasks, stop.clone(), stop, metrics);
    let service = admin::service(shutdown.readiness.clone(), view, vec![registry, process]);
    shutdown
        .background
        .spawn(server.run(listener, None, move |_| service.clone()));
    Ok(())
}

/// Why the proxy did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {_0}: {_1}")]
    Bind(SocketAddr, #[source] io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// `listen.https` without `tls.cert` and `tls.key`.
    #[error("listen.https needs tls.cert and tls.key")]
    NoCertificate,
    /// The file of the session keys cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// A file with a secret of the TURN servers cannot be used.
    #[error(transparent)]
    Ice(#[from] IceFileError),
    /// No session key can be made.
    #[error("no session key can be made: {0}")]
    Keys(#[source] KeyError),
    /// The Stream Manager's URL cannot be used.
    #[error("stream_manager.url {0}")]
    Manager(#[from] BaseUrlError),
    /// The system's certificate roots cannot be read.
    #[error(
        "the system's certificate roots cannot be read, which an https Stream Manager needs: {0}"
    )]
    Roots(#[source] io::Error),
    /// Two metrics of one name: a defect of ours.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}
