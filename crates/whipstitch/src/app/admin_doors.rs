//! The doors of the admin interface.

use std::time::SystemTime;

use prometheus::Registry;
use tokio::runtime::Handle;
use whipstitch_ingress::{self as ingress, Listener, Server, config::Connections};
use whipstitch_proxy::live::Ender;
use whipstitch_signaling::Api;

use super::{Context, Finding, Running, Seen, StartError, Tls};
use crate::{
    admin::{Admin, AdminSocket, Door, Facts, History, Parts, View, listeners},
    config::{Config, LiveConfig},
    metrics::{self, Sources},
    shutdown::Shutdown,
};

/// Prometheus, probes and a few people: they must be served when the data listeners are full.
const CONNECTIONS: usize = 64;

/// Opens the doors that there are.
pub(super) fn serve_admin(
    admin: &Admin,
    listener: Option<Listener>,
    socket: Option<AdminSocket>,
    shutdown: &Shutdown,
) -> Result<(), StartError> {
    let (tasks, stop) = (&shutdown.background, shutdown.stop_admin.clone());
    tasks.spawn(admin.clone().keep_time());
    if let Some(socket) = socket {
        tasks.spawn(socket.run(admin.clone(), tasks.clone(), stop.clone()));
    }
    if let Some(listener) = listener {
        let limits = Connections {
            max: CONNECTIONS,
            ..Connections::default()
        };
        // Counted by nobody: what Prometheus itself does is not traffic.
        let metrics = ingress::Metrics::register(&Registry::new())?;
        let server = Server::new(limits, tasks.clone(), stop.clone(), stop, metrics);
        let (admin, ours) = (admin.clone(), listener.addr());
        tasks.spawn(server.run(listener, None, move |info| {
            admin.service(Door::Tcp {
                listener: ours,
                peer: info.peer,
            })
        }));
    }
    Ok(())
}

/// What the admin interface looks at.
pub(super) struct AdminSees<'a> {
    pub(super) config: &'a Config,
    pub(super) running: &'a Running,
    pub(super) finding: &'a Finding,
    pub(super) seen: &'a Seen,
    pub(super) tls: &'a Tls,
    pub(super) ender: Ender,
    pub(super) live_config: LiveConfig,
}

/// The service behind all doors.
pub(super) fn admin_service(
    sees: &AdminSees<'_>,
    context: Context,
    registry: Registry,
) -> Result<Admin, StartError> {
    let AdminSees {
        config,
        running,
        finding,
        seen,
        tls,
        ender,
        live_config,
    } = sees;
    let log = context.log.clone();
    let view = View::new(finding);
    let sources = sources(sees, view.clone());
    metrics::register(&registry, move || sources.read())?;
    Ok(Admin::new(Parts {
        shutdown: running.shutdown.clone(),
        view,
        ender: ender.clone(),
        live: seen.live.clone(),
        recent: seen.recent.clone(),
        origin: finding.metrics.clone(),
        proxy: seen.metrics.clone(),
        breaker: finding.breaker.clone(),
        registries: vec![registry, process_registry()?],
        certificates: tls.store.clone(),
        reloader: running.reloader.clone(),
        log,
        facts: facts(config, running, context, live_config.clone()),
        history: History::default(),
        listeners: listeners(),
    }))
}

/// What is looked at when metrics are gathered.
fn sources(sees: &AdminSees<'_>, view: View) -> Sources {
    Sources {
        shutdown: sees.running.shutdown.clone(),
        certificates: sees.tls.store.clone(),
        connections: sees.tls.metrics.clone(),
        connections_max: sees.config.connections.max,
        permits: sees.seen.permits.clone(),
        live: sees.seen.live.clone(),
        view,
        reloader: sees.running.reloader.clone(),
        live_config: sees.live_config.clone(),
        runtime: Handle::current().metrics(),
    }
}

/// What Linux knows of the process.
fn process_registry() -> Result<Registry, StartError> {
    let process = Registry::new();
    #[cfg(target_os = "linux")]
    process.register(Box::new(
        prometheus::process_collector::ProcessCollector::for_self(),
    ))?;
    Ok(process)
}

/// What does not change.
fn facts(config: &Config, running: &Running, context: Context, live_config: LiveConfig) -> Facts {
    Facts {
        started: SystemTime::now(),
        https: running.https.clone(),
        http: running.http.clone(),
        admin: running.admin,
        hosts: config.admin.hosts.clone(),
        manager_url: config.stream_manager.url.clone().unwrap_or_default(),
        manager_api: match config.stream_manager.api {
            Api::V1 => "1",
            Api::V2 => "2",
        },
        delay: config.shutdown.delay,
        deadline: config.shutdown.deadline,
        config_file: context.config_file,
        live_config,
    }
}
