//! The admin interface, and the metrics that are read at each scrape.

use std::{sync::Arc, time::SystemTime};

use futures_util::future::BoxFuture;
use prometheus::Registry;
use tokio::runtime::Handle;
use whipstitch_admin::{
    Admin, Drain, DrainTimes, Facts, History, Lifecycle, Parts, Stage, View, event_permits,
    limits::Limits,
    verdict::{Judge, Sources},
};
use whipstitch_cli::build::{REVISION, VERSION};
use whipstitch_config::{Config, LiveConfig};
use whipstitch_signaling::Api;

use super::{
    Context, StartError, directory::NodeDirectory, proxy::Proxy, registry::process_registry,
    sockets::Addresses, tls::Tls,
};
use crate::{
    metrics::{self, Gauges},
    shutdown::Shutdown,
};

/// The parts that the admin interface shows.
pub(super) struct Shown<'a> {
    pub(super) live_config: LiveConfig,
    pub(super) addresses: &'a Addresses,
    pub(super) directory: &'a NodeDirectory,
    pub(super) proxy: &'a Proxy,
    pub(super) tls: &'a Tls,
    pub(super) shutdown: &'a Shutdown,
}

/// Builds it, and registers the metrics that are read at each scrape.
pub(super) fn admin(
    shown: &Shown<'_>,
    context: Context,
    registry: Registry,
) -> Result<Admin, StartError> {
    let Shown {
        live_config,
        addresses,
        directory,
        proxy,
        tls,
        shutdown,
    } = shown;
    let active = live_config.snapshot();
    let config = &active.config;
    let view = View::new(
        directory.allowed.clone(),
        directory.health.clone(),
        directory.directory.clone(),
    );
    let lifecycle = Arc::new(Process {
        shutdown: (*shutdown).clone(),
        config: config.shutdown.clone(),
    });
    let reload = Arc::new(proxy.reloader.clone());
    let permits = proxy.observed.permits.clone();
    let limits = Limits::new(tls.metrics.clone(), config.connections.max, permits);
    let judge = Judge::new(Sources {
        lifecycle: lifecycle.clone(),
        reload: reload.clone(),
        view: view.clone(),
        origin: directory.metrics.clone(),
        breaker: directory.breaker.clone(),
        proxy: proxy.observed.metrics.clone(),
        certificates: tls.store.clone(),
        live_config: live_config.clone(),
        limits: limits.clone(),
    });
    let gauges = gauges(shown, view.clone(), limits, judge.clone());
    metrics::register(&registry, move || gauges.read())?;
    Ok(Admin::new(Parts {
        lifecycle,
        reload,
        judge,
        view,
        terminator: proxy.terminator.clone(),
        sessions: proxy.observed.sessions.clone(),
        recent: proxy.observed.recent.clone(),
        origin: directory.metrics.clone(),
        proxy: proxy.observed.metrics.clone(),
        breaker: directory.breaker.clone(),
        registries: vec![registry, process_registry()?],
        certificates: tls.store.clone(),
        log: context.log.clone(),
        facts: facts(config, addresses, context),
        live_config: live_config.clone(),
        history: History::default(),
        event_permits: event_permits(),
        tasks: shutdown.background.clone(),
        stop: shutdown.stop_admin.clone(),
    }))
}

fn gauges(shown: &Shown<'_>, view: View, limits: Limits, judge: Judge) -> Gauges {
    Gauges {
        shutdown: shown.shutdown.clone(),
        certificates: shown.tls.store.clone(),
        limits,
        judge,
        sessions: shown.proxy.observed.sessions.clone(),
        view,
        reloader: shown.proxy.reloader.clone(),
        live_config: shown.live_config.clone(),
        runtime: Handle::current().metrics(),
    }
}

/// What does not change while the process runs.
fn facts(config: &Config, addresses: &Addresses, context: Context) -> Facts {
    Facts {
        version: VERSION,
        revision: REVISION,
        started: SystemTime::now(),
        https: addresses.https.clone(),
        http: addresses.http.clone(),
        admin: addresses.admin,
        hosts: config.admin.hosts.clone(),
        manager_url: config.stream_manager.url.clone().unwrap_or_default(),
        manager_api: match config.stream_manager.api {
            Api::V1 => "1",
            Api::V2 => "2",
        },
        config_file: context.config_file,
    }
}

/// The process, as the admin interface sees it.
#[derive(Debug)]
struct Process {
    shutdown: Shutdown,
    config: whipstitch_config::Shutdown,
}

impl Lifecycle for Process {
    fn stage(&self) -> Stage {
        self.shutdown.readiness.stage()
    }

    fn begin_drain(&self) -> DrainTimes {
        self.shutdown.begin(self.config.delay, self.config.deadline)
    }

    fn drained(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shutdown.drained().await;
        })
    }

    fn drain(&self) -> Option<Drain> {
        self.shutdown.progress()
    }
}
