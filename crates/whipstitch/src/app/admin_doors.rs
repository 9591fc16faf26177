//! The doors of the admin interface.

use std::time::SystemTime;

use prometheus::Registry;
use whipstitch_ingress::{self as ingress, Listener, Server, config::Connections};
use whipstitch_signaling::Api;

use super::{Context, Running, StartError};
use crate::{
    admin::{Admin, AdminSocket, Door, Facts},
    config::{Config, effective},
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

/// What Linux knows of the process.
pub(super) fn process_registry() -> Result<Registry, StartError> {
    let process = Registry::new();
    #[cfg(target_os = "linux")]
    process.register(Box::new(
        prometheus::process_collector::ProcessCollector::for_self(),
    ))?;
    Ok(process)
}

/// What does not change.
pub(super) fn facts(config: &Config, running: &Running, context: Context) -> Facts {
    Facts {
        started: SystemTime::now(),
        https: running.https.clone(),
        http: running.http.clone(),
        admin: running.admin,
        hosts: config.admin.hosts.clone(),
        limit_sockets: config.limits.sockets,
        manager_url: config.stream_manager.url.clone().unwrap_or_default(),
        manager_api: match config.stream_manager.api {
            Api::V1 => "1",
            Api::V2 => "2",
        },
        delay: config.shutdown.delay,
        deadline: config.shutdown.deadline,
        config_file: context.config_file,
        settings: effective(config, &context.origins),
        log_filter: config.log.filter.clone(),
    }
}
