//! Builds and connects the parts of a process: sockets, lookup chain, proxy, admin interface.
//! Decisions about requests are in `whipstitch_proxy::stack`.

mod admin;
mod directory;
mod proxy;
mod registry;
mod secrets;
mod serve;
mod sockets;
mod start_error;
mod tls;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tracing::info;
use whipstitch_admin::SocketFile;
use whipstitch_config::{Config, LiveConfig, Origins, Sources};
use whipstitch_ingress::inherited::Inherited;
use whipstitch_proxy::{SessionTable, clock::WallClock};
use whipstitch_telemetry::LogLevel;

use self::{admin::Shown, sockets::Addresses};
pub use self::{registry::metric_families, start_error::StartError};
use crate::{
    readiness::Stage,
    reload::Reloader,
    shutdown::{Drained, Shutdown},
};
pub use whipstitch_admin::SocketError;

/// A running proxy. Dropping it ends nothing; see [`Running::drain`].
#[derive(Debug)]
pub struct Running {
    addresses: Addresses,
    shutdown: Shutdown,
    delay: Duration,
    deadline: Duration,
    sessions: SessionTable,
    reloader: Reloader,
    // Removed when this is dropped; a task might be aborted before it removes the file.
    _socket_file: Option<SocketFile>,
}

/// What a process knows of its own start besides its configuration.
#[derive(Default)]
pub struct Context {
    /// The file that the configuration came from.
    pub config_file: Option<PathBuf>,
    /// Where each key that was set was set.
    pub origins: Origins,
    /// Where a reload reads the configuration; `None` if there is no reload of it.
    pub sources: Option<Sources>,
    /// The log, if its filter can be changed.
    pub log: Option<LogLevel>,
    /// Sockets that a service manager has bound already.
    pub inherited: Inherited,
    /// The wall clock, which a test can step.
    pub clock: WallClock,
    /// When vanished clients are looked for.
    pub vanished: whipstitch_proxy::vanished::Timing,
}

impl Running {
    /// The addresses that speak TLS, with the ports that were chosen.
    pub fn https(&self) -> &[SocketAddr] {
        &self.addresses.https
    }

    /// The addresses that speak plain HTTP, with the ports that were chosen.
    pub fn http(&self) -> &[SocketAddr] {
        &self.addresses.http
    }

    /// The address of the admin interface.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.addresses.admin
    }

    /// Reloads settings, certificate, session keys, secrets of TURN servers and the list of nodes;
    /// whether no part failed. The log has the details.
    pub async fn reload(&self) -> bool {
        self.reloader.run().await.is_good()
    }

    /// The state in one line, for a service manager.
    pub fn summary(&self) -> impl Fn() -> String + Send + 'static {
        let (readiness, sessions) = (self.shutdown.readiness.clone(), self.sessions.clone());
        move || {
            let count = sessions.count();
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
/// A file cannot be read, an address cannot be bound, a value is malformed.
pub fn start(config: Config) -> Result<Running, StartError> {
    start_with(config, Context::default())
}

/// The same, with a context.
///
/// # Panics
/// As [`start`].
///
/// # Errors
/// As [`start`].
pub fn start_with(config: Config, mut context: Context) -> Result<Running, StartError> {
    let live_config = LiveConfig::new(config, &context.origins);
    let active = live_config.snapshot();
    let config = &active.config;
    let shutdown = Shutdown::default();
    let registry = registry::registry()?;
    let tls = tls::tls(config, &registry, &shutdown)?;
    let sockets = sockets::bind(config, std::mem::take(&mut context.inherited))?;
    let addresses = sockets.addresses();

    let directory = directory::node_directory(config, &registry, &shutdown, addresses.all())?;
    let secrets = secrets::secrets(config, &registry, &shutdown)?;
    let proxy = proxy::proxy(
        &live_config,
        &mut context,
        &directory,
        (secrets, &tls),
        (&registry, &shutdown),
    )?;
    let looks = proxy.observed.sessions.clone().watch(
        directory.live_streams.clone(),
        context.vanished,
        proxy.observed.metrics.clone(),
    );
    let stop = shutdown.stop_accepting.clone();
    let looks = async move { stop.run_until_cancelled(looks).await };
    shutdown.background.spawn(looks);
    let shown = Shown {
        live_config: live_config.clone(),
        addresses: &addresses,
        directory: &directory,
        proxy: &proxy,
        tls: &tls,
        shutdown: &shutdown,
    };
    let admin = admin::admin(&shown, context, registry)?;

    let observed = &proxy.observed;
    let stack = (&proxy.current, &observed.metrics);
    serve::serve_clients(config, (sockets.https, sockets.http), tls, stack, &shutdown);
    let interface = (sockets.admin, sockets.admin_socket);
    serve::serve_admin(&admin, interface, config.connections.max, &shutdown)?;
    shutdown.readiness.ready();
    let Addresses { https, http, admin } = &addresses;
    let admin = admin.map(tracing::field::display);
    info!(?https, ?http, admin, "ready");
    Ok(Running {
        sessions: observed.sessions.clone(),
        reloader: proxy.reloader,
        addresses,
        shutdown,
        delay: config.shutdown.delay,
        deadline: config.shutdown.deadline,
        _socket_file: sockets.socket_file,
    })
}
