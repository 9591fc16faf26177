//! The proxy: the stack of layers, and what it shares with the admin interface.

use hyper::upgrade::Upgraded;
use prometheus::Registry;
use whipstitch_config::{Config, LiveConfig};
use whipstitch_ingress as ingress;
use whipstitch_proxy::{
    self as proxy, Current, Dependencies, Incidents, Memory, Permits, SessionTable, Terminator,
    splice::Detached, stack, trace::Tracing,
};
use whipstitch_telemetry::{self as telemetry, SpanMetrics};

use super::{Context, StartError, directory::NodeDirectory, secrets::Secrets, tls::Tls};
use crate::{
    reload::{
        Reloadable, Reloader,
        configuration::{Reconfigure, stack_settings},
    },
    shutdown::Shutdown,
};

/// The proxy, and what controls it.
pub(super) struct Proxy {
    /// The active stack of layers.
    pub(super) current: Current,
    pub(super) observed: Observed,
    pub(super) terminator: Terminator,
    pub(super) reloader: Reloader,
}

/// What the admin interface and the metrics show of requests and sessions.
pub(super) struct Observed {
    pub(super) sessions: SessionTable,
    pub(super) recent: Incidents,
    pub(super) permits: Permits,
    pub(super) metrics: proxy::Metrics,
}

/// Builds it.
pub(super) fn proxy(
    live_config: &LiveConfig,
    context: &mut Context,
    directory: &NodeDirectory,
    (secrets, tls): (Secrets, &Tls),
    (registry, shutdown): (&Registry, &Shutdown),
) -> Result<Proxy, StartError> {
    let active = live_config.snapshot();
    let config = &active.config;
    let observed = Observed {
        sessions: SessionTable::new(
            config.limits.sessions,
            config.sessions.by_client,
            config.sessions.lifetime,
            context.clock.clone(),
        ),
        recent: Incidents::default(),
        permits: Permits::new(&config.limits),
        metrics: proxy::Metrics::register(registry)?,
    };
    let tracing = span_export(config, registry, shutdown)?;
    let dependencies = dependencies(config, directory, &secrets, &observed, tracing, shutdown);
    let settings = stack_settings(config);
    let terminator = dependencies.terminator.clone();
    let stack = stack(&dependencies, &settings).map_err(StartError::Roots)?;
    let current = Current::new(stack);
    let reloader = Reloader::new(Reloadable {
        settings: context.sources.take().map(|sources| Reconfigure {
            sources,
            live_config: live_config.clone(),
            current: current.clone(),
            dependencies,
            directory: directory.directory.clone(),
            log: context.log.clone(),
        }),
        certificates: tls.read_now.clone(),
        session_keys: secrets.read_keys,
        ice_secrets: secrets.read_ice,
        nodes: directory.poll_now.clone(),
    });
    Ok(Proxy {
        current,
        observed,
        terminator,
        reloader,
    })
}

/// The parts that a stack of layers is built from.
fn dependencies(
    config: &Config,
    directory: &NodeDirectory,
    secrets: &Secrets,
    observed: &Observed,
    tracing: Option<Tracing>,
    shutdown: &Shutdown,
) -> Dependencies {
    Dependencies {
        api: config.stream_manager.api,
        by_network: config.lookup.by_network,
        manager: directory.manager.clone(),
        directory: directory.directory.clone(),
        allowed: directory.allowed.clone(),
        session_keys: secrets.session_keys.clone(),
        session_lifetime: config.sessions.lifetime,
        ice: secrets.ice.clone(),
        auth: secrets.auth.clone(),
        detach,
        exchanges: shutdown.exchanges.clone(),
        sockets: shutdown.sockets.clone(),
        background: shutdown.background.clone(),
        close_sockets: shutdown.close_sockets.clone(),
        sessions: observed.sessions.clone(),
        terminator: Terminator::new(
            observed.sessions.clone(),
            directory.directory.clone(),
            shutdown.background.clone(),
        ),
        incidents: observed.recent.clone(),
        metrics: observed.metrics.clone(),
        tracing,
        memory: Memory::new(observed.permits.clone()),
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

/// Hands an upgraded socket from `ingress` to `proxy`, which do not know each other.
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
