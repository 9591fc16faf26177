//! The admin interface: what an operator, a probe or Prometheus asks, and what an operator changes.
//!
//! There are two doors to one service: the address `listen.admin`, and the Unix socket
//! `admin.socket`. Everything can be read at both; who may change something stands in `door.rs`.
//! Nothing here is on the way of a client's request, and no value that a client sent in a query is
//! shown.
//!
//! | file | one idea |
//! |---|---|
//! | `router.rs` | which path is what, and what it allows |
//! | `door.rs` | who may read and who may change |
//! | `status.rs`, `sessions.rs`, `view.rs`, `recent.rs`, `settings.rs` | what is shown |
//! | `page.rs` and its folder | all of it for a person, in a browser |
//! | `history.rs`, `events.rs` | what it was in the last minutes, and what it becomes |
//! | `changes.rs`, `reload.rs` | what an operator can do |
//! | `red5.rs` | the sessions as the Stream Manager's own API shows them |
//! | `socket.rs` | the Unix socket |

mod answer;
mod certificates;
mod changes;
mod door;
mod events;
mod history;
mod page;
mod recent;
mod red5;
mod reload;
mod router;
mod rtcproxy;
mod sessions;
mod settings;
mod socket;
mod status;
mod view;

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::Request;
use hyper::body::Incoming;
use prometheus::Registry;
use tokio::sync::Semaphore;
use tower::service_fn;
use whipstitch_ingress::{CertStore, HttpService};
use whipstitch_origin as origin;
use whipstitch_proxy::{self as proxy, Live, Recent, live::Ender};

use self::events::MAX_LISTENERS;
pub(crate) use self::history::History;
pub use self::socket::SocketError;
pub(crate) use self::{
    answer::Body,
    door::Door,
    reload::{Reloadable, Reloader, Reloads},
    socket::{AdminSocket, SocketFile},
    view::{Standings, View},
};
use crate::{config::LiveConfig, shutdown::Shutdown, telemetry::LogLevel};

/// What the admin interface knows. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Admin(Arc<Parts>);

/// What it is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) shutdown: Shutdown,
    pub(crate) view: View,
    pub(crate) live: Live,
    pub(crate) ender: Ender,
    pub(crate) recent: Recent,
    pub(crate) origin: origin::Metrics,
    pub(crate) proxy: proxy::Metrics,
    pub(crate) breaker: origin::Breaker,
    pub(crate) registries: Vec<Registry>,
    pub(crate) certificates: Option<Arc<CertStore>>,
    pub(crate) reloader: Reloader,
    pub(crate) log: Option<LogLevel>,
    pub(crate) facts: Facts,
    pub(crate) history: History,
    pub(crate) listeners: Arc<Semaphore>,
}

/// What does not change as long as the process lasts.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) started: SystemTime,
    pub(crate) https: Vec<SocketAddr>,
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) hosts: Vec<String>,
    pub(crate) manager_url: String,
    pub(crate) manager_api: &'static str,
    pub(crate) delay: Duration,
    pub(crate) deadline: Duration,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) live_config: LiveConfig,
}

/// As many as may listen to `/events` at once.
pub(crate) fn listeners() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_LISTENERS))
}

impl Admin {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The service of one connection.
    pub(crate) fn service(&self, door: Door) -> impl HttpService<Body> + use<> {
        let admin = self.clone();
        service_fn(move |request: Request<Incoming>| {
            let admin = admin.clone();
            async move { Ok::<_, Infallible>(router::answer(&admin, door, request).await) }
        })
    }

    /// What is to be done every few seconds, until the admin interface ends.
    pub(crate) async fn keep_time(self) {
        let stop = self.0.shutdown.stop_admin.clone();
        stop.run_until_cancelled(history::keep(&self)).await;
    }
}

#[cfg(test)]
mod tests;
