//! The admin interface: probes, metrics, the status page, and what an operator can change.
//!
//! One service listens on two sockets: the address `listen.admin`, and the Unix socket
//! `admin.socket`. Both may read everything; `access.rs` says who may change something. Nothing
//! here is on the path of a client's request, and no value of a client's query is shown.
//!
//! | file | one idea |
//! |---|---|
//! | `routes.rs` | the table of routes: paths, access, members of requests and answers |
//! | `service.rs` | the layers of tower-http around the router |
//! | `router.rs`, `answer.rs` | answers a request by the table |
//! | `access.rs` | who may read, who may change |
//! | `lifecycle.rs` | what the process offers: stage, drain, reload |
//! | `status.rs`, `sessions.rs`, `streams.rs`, `view.rs`, `incidents.rs`, `certificate_row.rs` | what is shown |
//! | `page.rs` and its folder | the status page in a browser |
//! | `verdict.rs` and its folder, `limits.rs` | whether clients are served, and if not, why |
//! | `history.rs`, `events.rs` | the last 15 minutes, and changes as they happen |
//! | `changes.rs` | what an operator can change |
//! | `red5.rs`, `rtcproxy.rs` | the sessions in the forms of the Stream Manager's own APIs |
//! | `unix_socket.rs` | the Unix socket |

mod access;
mod answer;
mod certificate_row;
mod changes;
mod events;
mod history;
mod incidents;
mod lifecycle;
pub mod limits;
mod page;
mod paging;
mod red5;
mod router;
pub mod routes;
mod rtcproxy;
mod service;
mod sessions;
mod status;
mod streams;
mod unix_socket;
pub mod verdict;
mod view;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::SystemTime};

use prometheus::Registry;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use whipstitch_config::LiveConfig;
use whipstitch_ingress::{CertStore, HttpService};
use whipstitch_origin as origin;
use whipstitch_proxy::{self as proxy, Incidents, SessionTable, Terminator};
use whipstitch_telemetry::LogLevel;

pub use self::{
    access::Listener,
    history::History,
    lifecycle::{
        Drain, DrainTimes, Drained, FileFaults, LastReload, Lifecycle, Reload, Report, Stage,
    },
    service::Body,
    unix_socket::{AdminSocket, SocketError, SocketFile},
    view::{NodeCounts, View},
};
use self::{events::MAX_LISTENERS, verdict::Judge};

/// The admin interface. Clones share one state.
#[derive(Clone, Debug)]
pub struct Admin(Arc<Parts>);

/// What the admin interface shows and changes.
#[derive(Debug)]
pub struct Parts {
    /// The stage of the process, and its drain.
    pub lifecycle: Arc<dyn Lifecycle>,
    /// Reads configuration and files again.
    pub reload: Arc<dyn Reload>,
    /// Whether clients are served.
    pub judge: Judge,
    /// Nodes and cached lookups.
    pub view: View,
    /// The sessions.
    pub sessions: SessionTable,
    /// Ends a session.
    pub terminator: Terminator,
    /// Recent errors and refusals.
    pub recent: Incidents,
    /// Counters of lookups, and the state of the Stream Manager.
    pub origin: origin::Metrics,
    /// Counters of requests.
    pub proxy: proxy::Metrics,
    /// The circuit breaker in front of the Stream Manager.
    pub breaker: origin::Breaker,
    /// What `/metrics` shows.
    pub registries: Vec<Registry>,
    /// The certificate in use; `None` without TLS.
    pub certificates: Option<Arc<CertStore>>,
    /// The log, if its filter can be changed.
    pub log: Option<LogLevel>,
    /// What does not change.
    pub facts: Facts,
    /// The active configuration.
    pub live_config: LiveConfig,
    /// The last 15 minutes.
    pub history: History,
    /// Permits of `/events`, see [`event_permits`].
    pub event_permits: Arc<Semaphore>,
    /// Tasks that end with the process.
    pub tasks: TaskTracker,
    /// Ends the admin interface.
    pub stop: CancellationToken,
}

/// What does not change while the process runs.
#[derive(Debug)]
pub struct Facts {
    /// The version of the build.
    pub version: &'static str,
    /// The commit of the build, if known.
    pub revision: Option<&'static str>,
    /// When the process started.
    pub started: SystemTime,
    /// Addresses that speak TLS.
    pub https: Vec<SocketAddr>,
    /// Addresses that speak plain HTTP.
    pub http: Vec<SocketAddr>,
    /// The address of the admin interface.
    pub admin: Option<SocketAddr>,
    /// Host names that a request to the admin interface may carry: `admin.hosts`.
    pub hosts: Vec<String>,
    /// `stream_manager.url`
    pub manager_url: String,
    /// `stream_manager.api`
    pub manager_api: &'static str,
    /// The configuration file, if there is one.
    pub config_file: Option<PathBuf>,
}

/// One permit for each concurrent request to `/events`.
pub fn event_permits() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_LISTENERS))
}

impl Admin {
    /// An admin interface of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The service of one connection.
    pub fn service(&self, listener: Listener) -> impl HttpService<Body> + use<> {
        service::service(self, listener)
    }

    /// Records the history until the admin interface stops.
    pub async fn record_history(self) {
        let stop = self.0.stop.clone();
        stop.run_until_cancelled(history::record(&self)).await;
    }
}

#[cfg(test)]
mod tests;
