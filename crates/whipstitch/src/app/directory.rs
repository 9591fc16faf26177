//! Builds the lookup chain: resolver, gate, manager client, circuit breaker, cache.

use std::{net::SocketAddr, sync::Arc};

use prometheus::Registry;
use tokio::sync::Notify;
use whipstitch_origin::{
    self as origin, AllowedOrigins, Breaker, Cached, Health, LiveStreams, NodeList, Resolver,
    StreamManager, connect::ManagerAddress,
};

use super::StartError;
use crate::shutdown::Shutdown;
use whipstitch_config::{Config, manager_address};

/// The lookup chain, with the parts that others read.
pub(super) struct NodeDirectory {
    pub(super) manager: ManagerAddress,
    pub(super) allowed: Arc<AllowedOrigins>,
    pub(super) health: Health,
    pub(super) directory: Arc<Cached>,
    pub(super) breaker: Breaker,
    /// Asks which streams are published.
    pub(super) live_streams: LiveStreams,
    pub(super) metrics: origin::Metrics,
    /// Requests a poll of the list of nodes; `None` if it is not polled.
    pub(super) poll_now: Option<Arc<Notify>>,
}

/// Builds it.
pub(super) fn node_directory(
    config: &Config,
    registry: &Registry,
    shutdown: &Shutdown,
    listeners: Vec<SocketAddr>,
) -> Result<NodeDirectory, StartError> {
    let manager = {
        // A resolver of its own: node names that hang do not delay the manager's name.
        let resolver = Resolver::system(shutdown.background.clone());
        manager_address(&config.stream_manager, resolver)?
    };
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
    let asked = Arc::new(asked);
    let node_list = NodeList::new(
        manager.clone(),
        &config.stream_manager,
        config.nodes.poll,
        allowed.clone(),
        origin_metrics.clone(),
    );
    let poll_now = node_list.map_err(StartError::Roots)?.map(|list| {
        let (stop, now) = (shutdown.stop_accepting.clone(), Arc::new(Notify::new()));
        shutdown.background.spawn(list.run(stop, now.clone()));
        now
    });
    let breaker = Breaker::new(
        asked.clone(),
        shutdown.background.clone(),
        shutdown.stop_accepting.clone(),
        origin_metrics.clone(),
    );
    if !config.stream_manager.probe.is_zero() {
        breaker.probe_when_idle(config.stream_manager.probe);
    }
    let health = Health::new(&config.nodes, origin_metrics.clone());
    let directory = Arc::new(Cached::new(
        Arc::new(breaker.clone()),
        config.lookup.clone(),
        health.clone(),
        shutdown.background.clone(),
        origin_metrics.clone(),
    ));
    Ok(NodeDirectory {
        manager,
        allowed,
        health,
        directory,
        live_streams: LiveStreams::new(asked, breaker.clone()),
        breaker,
        metrics: origin_metrics,
        poll_now,
    })
}
