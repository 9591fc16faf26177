//! What finds the node for a stream, put together.

use std::{net::SocketAddr, sync::Arc};

use prometheus::Registry;
use tokio::sync::Notify;
use whipstitch_origin::{
    self as origin, AllowedOrigins, BaseUrl, Breaker, Cached, Health, NodeList, Resolver,
    StreamManager,
    connect::{ManagerAddress, Roots},
};

use super::StartError;
use crate::{config::Config, shutdown::Shutdown};

/// What finds nodes.
pub(crate) struct Finding {
    pub(crate) manager: ManagerAddress,
    pub(crate) allowed: Arc<AllowedOrigins>,
    pub(crate) health: Health,
    pub(crate) directory: Arc<Cached>,
    pub(crate) breaker: Breaker,
    pub(crate) metrics: origin::Metrics,
    /// Has the manager's list of nodes polled, if it is.
    pub(crate) poll_now: Option<Arc<Notify>>,
}

/// Makes it.
pub(super) fn finding(
    config: &Config,
    registry: &Registry,
    shutdown: &Shutdown,
    listeners: Vec<SocketAddr>,
) -> Result<Finding, StartError> {
    let manager = manager(&config.stream_manager, shutdown)?;
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
    let poll_now = node_list.map_err(StartError::Roots)?.map(|list| {
        let (stop, now) = (shutdown.stop_accepting.clone(), Arc::new(Notify::new()));
        shutdown.background.spawn(list.run(stop, now.clone()));
        now
    });
    let breaker = Breaker::new(
        Arc::new(asked),
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
    Ok(Finding {
        manager,
        allowed,
        health,
        directory,
        breaker,
        metrics: origin_metrics,
        poll_now,
    })
}

/// Where the Stream Manager is, as it is configured.
pub(crate) fn manager(
    config: &origin::config::StreamManager,
    shutdown: &Shutdown,
) -> Result<ManagerAddress, StartError> {
    let mut base = BaseUrl::parse(config.url.as_deref().unwrap_or_default())?;
    if let Some(prefix) = &config.strip_prefix {
        base = base.without_prefix(prefix).map_err(StartError::Prefix)?;
    }
    if let Some(host) = &config.host {
        base = base.asking_for(host)?;
    }
    let roots = config
        .ca_file
        .as_deref()
        .map(|path| Roots::read(path).map_err(|error| StartError::CaFile(path.to_owned(), error)));
    // A resolver of its own: however many names of nodes hang, the manager's is still asked for.
    let resolver = Resolver::system(shutdown.background.clone());
    Ok(ManagerAddress::trusted_by(
        roots.transpose()?,
        base,
        resolver,
    ))
}
