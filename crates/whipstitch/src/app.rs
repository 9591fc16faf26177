//! What is made of what. Nothing here decides anything about a request; see
//! `whipstitch_proxy::stack` for that.

mod admin_doors;
mod finding;
mod secrets;
mod start_error;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use hyper::upgrade::Upgraded;
use prometheus::{IntGauge, Opts, Registry};
use tokio_rustls::TlsAcceptor;
use tower_http::add_extension::AddExtension;
use tracing::info;
use whipstitch_ingress::{self as ingress, CertStore, ConnectionInfo, Listener, Refusal, Server};
use whipstitch_origin as origin;
use whipstitch_proxy::{
    self as proxy, Current, Dependencies, Live, Memory, Peer, Permits, Recent,
    clock::WallClock,
    live::Ender,
    problem::{self, Kind},
    splice::Detached,
    stack,
    trace::Tracing,
};

pub use crate::admin::SocketError;
use crate::{
    admin::{AdminSocket, Reloadable, Reloader, SocketFile},
    config::{Config, LiveConfig, Origins, Sources},
    inherited::Inherited,
    metrics,
    readiness::Stage,
    reread::Reloads,
    settings::{self, Reconfigure},
    shutdown::{Drained, Shutdown},
    telemetry::{self, LinesDropped, LogLevel, SpanMetrics},
};
use admin_doors::{AdminSees, admin_service, serve_admin};
pub(crate) use finding::Finding;
use finding::finding;
pub(crate) use finding::manager;
use secrets::{Secrets, secrets};
pub use start_error::StartError;

/// A running proxy. Dropping it ends nothing; see [`Running::drain`].
#[derive(Debug)]
pub struct Running {
    https: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    shutdown: Shutdown,
    delay: Duration,
    deadline: Duration,
    live: Live,
    reloader: Reloader,
    // Removed when this is dropped, which no task is sure to live to.
    _socket_file: Option<SocketFile>,
}

/// What a process knows of its own start besides its configuration.
#[derive(Default)]
pub struct Context {
    /// The file that the configuration came from.
    pub config_file: Option<PathBuf>,
    /// Where each key that was set was set.
    pub origins: Origins,
    /// Where to read the configuration again, if anywhere.
    pub sources: Option<Sources>,
    /// The log, if its filter can be changed.
    pub log: Option<LogLevel>,
    /// Sockets that a service manager has bound already.
    pub inherited: Inherited,
    /// The wall clock, which a test can step.
    pub clock: WallClock,
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

    /// Reads settings, certificate, session keys, secrets of TURN servers and the list of nodes
    /// again, now; whether all of it could be read. What came of it is in the log.
    pub async fn reload(&self) -> bool {
        self.reloader.reload().await.is_good()
    }

    /// One line about how it is, for a service manager.
    pub fn summary(&self) -> impl Fn() -> String + Send + 'static {
        let (readiness, live) = (self.shutdown.readiness.clone(), self.live.clone());
        move || {
            let count = live.count();
            let stage = match readiness.stage() {
                Stage::Starting => "starting",
                Stage::Ready => "ready",
                Stage::Draining => "draining",
                Stage::Drained => "drained; waiting for a signal",
            };
            format!(
                "{stage}; {} WebSocket and {} HTTP sessions",
                count.sockets, count.http
            )
        }
    }

    /// Ends everything in the order of [`crate::shutdown`], within `shutdown.delay`,
    /// `shutdown.deadline` and a second.
    pub async fn drain(self) -> Drained {
        self.shutdown.drain(self.delay, self.deadline).await
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
    start_with(config, Context::default())
}

/// The same, with what is known of the start.
///
/// # Panics
/// Outside a tokio runtime.
///
/// # Errors
/// What could not be read, bound or understood.
pub fn start_with(config: Config, mut context: Context) -> Result<Running, StartError> {
    let live_config = LiveConfig::new(config, &context.origins);
    let counts = live_config.snapshot();
    let config = &counts.config;
    let shutdown = Shutdown::default();
    let registry = registry()?;
    let tls = tls(config, &registry, &shutdown)?;

    let inherited = &mut context.inherited;
    let https = listen(&config.listen.https, inherited)?;
    let http = listen(&config.listen.http, inherited)?;
    let admin = listen(config.listen.admin.as_slice(), inherited)?.pop();
    inherited.none_left()?;
    let socket = config.admin.socket.as_deref();
    let (socket, socket_file) = socket.map(AdminSocket::bind).transpose()?.unzip();
    let live = Live::new(config.sessions.lifetime);
    let mut running = Running {
        https: https.iter().map(Listener::addr).collect(),
        http: http.iter().map(Listener::addr).collect(),
        admin: admin.as_ref().map(Listener::addr),
        shutdown: shutdown.clone(),
        delay: config.shutdown.delay,
        deadline: config.shutdown.deadline,
        live: live.clone(),
        reloader: Reloader::default(),
        _socket_file: socket_file,
    };

    let finding = finding(config, &registry, &shutdown, running.listeners())?;
    let secrets = secrets(config, &registry, &shutdown)?;
    let seen = Seen {
        live,
        recent: Recent::default(),
        permits: Permits::new(&config.limits),
        metrics: proxy::Metrics::register(&registry)?,
        clock: context.clock.clone(),
    };
    let tracing = span_export(config, &registry, &shutdown)?;
    let dependencies = dependencies(config, &finding, &secrets, (&seen, tracing), &shutdown);
    let ender = Ender::new(
        seen.live.clone(),
        finding.directory.clone(),
        &dependencies.memory,
        &settings::of(config),
        shutdown.background.clone(),
    );
    let stack = stack(&dependencies, &settings::of(config)).map_err(StartError::Roots)?;
    let current = Current::new(stack);
    running.reloader = Reloader::new(Reloadable {
        settings: context.sources.take().map(|sources| Reconfigure {
            sources,
            live_config: live_config.clone(),
            current: current.clone(),
            dependencies,
            ender: ender.clone(),
            directory: finding.directory.clone(),
            log: context.log.clone(),
        }),
        certificates: tls.store.clone().map(|store| (store, tls.metrics.clone())),
        session_keys: secrets.look_at_keys,
        ice_secrets: secrets.look_at_ice,
        nodes: finding.poll_now.clone(),
    });
    let wanted = admin.is_some() || socket.is_some();
    let service = admin_service(
        &AdminSees {
            config,
            running: &running,
            finding: &finding,
            seen: &seen,
            tls: &tls,
            ender,
            live_config,
        },
        context,
        registry,
    )?;
    let server = Server::new(
        config.connections.clone(),
        shutdown.connections.clone(),
        shutdown.stop_accepting.clone(),
        shutdown.drain_connections.clone(),
        tls.metrics,
    )
    .refusing_with(refusing(&seen.metrics));
    for (listeners, acceptor) in [(https, tls.acceptor), (http, None)] {
        for listener in listeners {
            let current = current.clone();
            let service = move |info| AddExtension::new(current.clone(), peer(&info));
            shutdown
                .background
                .spawn(server.clone().run(listener, acceptor.clone(), service));
        }
    }
    if wanted {
        serve_admin(&service, admin, socket, &shutdown)?;
    }
    shutdown.readiness.ready();
    info!(https = ?running.https, http = ?running.http, admin = ?running.admin, "ready");
    Ok(running)
}

/// Who is at the other end, as the proxy wants to know it.
fn peer(info: &ConnectionInfo) -> Peer {
    let peer = Peer::new(info.peer, info.tls.is_some());
    match &info.tls {
        Some(tls) => peer.after_handshake(tls.began, tls.took),
        None => peer,
    }
}

/// Tells a client of what the sockets refuse, as of any other problem.
fn refusing(metrics: &proxy::Metrics) -> ingress::Render {
    let metrics = metrics.clone();
    Arc::new(move |refusal| {
        let kind = match refusal {
            Refusal::HeaderTooLarge => Kind::HeaderTooLarge,
            Refusal::TargetTooLong => Kind::TargetTooLong,
            Refusal::HeaderTooSlow => Kind::HeaderTooSlow,
            Refusal::Malformed
            | Refusal::TlsToPlain
            | Refusal::PlainToTls
            | Refusal::Http2ToPlain
            | Refusal::ProxyProtocol
            | Refusal::Http2Broken => Kind::BadMessage,
        };
        problem::refusal(kind, refusal.what(), &metrics)
    })
}

/// What is to be seen of requests and sessions.
struct Seen {
    live: Live,
    recent: Recent,
    permits: Permits,
    metrics: proxy::Metrics,
    clock: WallClock,
}

/// What the proxy is made of.
fn dependencies(
    config: &Config,
    finding: &Finding,
    secrets: &Secrets,
    (seen, tracing): (&Seen, Option<Tracing>),
    shutdown: &Shutdown,
) -> Dependencies {
    let sessions = &config.sessions;
    Dependencies {
        api: config.stream_manager.api,
        by_network: config.lookup.by_network,
        manager: finding.manager.clone(),
        directory: finding.directory.clone(),
        allowed: finding.allowed.clone(),
        session_keys: secrets.session_keys.clone(),
        session_lifetime: sessions.lifetime,
        ice: secrets.ice.clone(),
        detach,
        exchanges: shutdown.exchanges.clone(),
        sockets: shutdown.sockets.clone(),
        background: shutdown.background.clone(),
        close_sockets: shutdown.close_sockets.clone(),
        live: seen.live.clone(),
        recent: seen.recent.clone(),
        metrics: seen.metrics.clone(),
        tracing,
        memory: Memory::new(
            seen.permits.clone(),
            sessions.by_client,
            sessions.lifetime,
            seen.clock.clone(),
        ),
    }
}

/// Starts the export of spans, if a collector is configured.
fn span_export(
    config: &Config,
    registry: &Registry,
    shutdown: &Shutdown,
) -> Result<Option<Tracing>, StartError> {
    let metrics = SpanMetrics::register(registry)?;
    let stop = shutdown.stop_spans.clone();
    let tracing = telemetry::export_spans(&config.tracing, metrics, &shutdown.spans, stop)?;
    Ok(tracing)
}

/// The one place that knows both what the proxy needs of a socket and what kinds of socket there
/// are.
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
            && Reloads::of_session_keys(registry).is_ok()
            && Reloads::of_ice_secrets(registry).is_ok()
            && metrics::register(registry, metrics::Reading::full).is_ok()
            && SpanMetrics::register(registry).is_ok()
    });
    families
        .map(|registry| registry.gather())
        .unwrap_or_default()
}

struct Tls {
    acceptor: Option<TlsAcceptor>,
    store: Option<Arc<CertStore>>,
    metrics: ingress::Metrics,
}

fn tls(config: &Config, registry: &Registry, shutdown: &Shutdown) -> Result<Tls, StartError> {
    let metrics = ingress::Metrics::register(registry)?;
    let store = match (&config.tls.cert, &config.tls.key) {
        _ if config.listen.https.is_empty() => None,
        (Some(cert), Some(key)) => {
            let store = CertStore::load(cert, key)?;
            store.serve(&config.proxy.hosts);
            let watched = store.clone();
            shutdown
                .background
                .spawn(watched.watch(shutdown.stop_accepting.clone(), metrics.clone()));
            Some(store)
        }
        _ => return Err(StartError::NoCertificate),
    };
    let acceptor = store.as_ref().map(CertStore::acceptor).transpose()?;
    Ok(Tls {
        acceptor,
        store,
        metrics,
    })
}

/// A listener for each address: the service manager's, if it has one that is bound to it, else one
/// of our own.
fn listen(addrs: &[SocketAddr], inherited: &mut Inherited) -> Result<Vec<Listener>, StartError> {
    let listener = |addr: &SocketAddr| {
        let listener = match inherited.bound_to(*addr) {
            Some(socket) => Listener::adopt(socket),
            None => Listener::bind(*addr),
        };
        listener.map_err(|error| StartError::Bind(*addr, error))
    };
    addrs.iter().map(listener).collect()
}
