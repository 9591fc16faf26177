//! What an operator can set: every section in one [`Config`], and [`load`], which reads it from a
//! file, the environment and flags and reports every mistake at once.
//!
//! The sections are plain structs that live beside the code that obeys them; this module only
//! composes them. Precedence, highest first: flag, environment, file, default.

pub mod auth_keys;
mod check;
mod collector_url;
mod compose;
mod days;
mod effective;
mod environment;
mod file;
pub mod files;
mod json_schema;
pub mod keys;
mod kind;
mod live;
mod load;
pub mod log_filter;
mod manager_address;
mod mistake;
mod nearest;
mod open_files;
mod retired;
pub mod secret_file;
pub mod session_key_file;
mod summary;

use std::{path::PathBuf, time::Duration};

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};
use whipstitch_auth::Auth;
use whipstitch_ingress::config::{Connections, Listen, Tls};
use whipstitch_origin::config::{Lookup, Nodes, StreamManager};
use whipstitch_proxy::{
    config::{Ice, Limits, Proxy, Timeouts},
    trace::{Parents, Ratio},
};

pub use check::{Finding, bounds, findings};
pub use collector_url::{CollectorUrl, CollectorUrlError};
pub use effective::{Effective, Origin, Origins, effective};
pub use json_schema::schema;
pub use kind::Kind;
pub use live::{Change, LiveConfig, Snapshot};
pub use load::{Loaded, Sources, load, peek};
pub use manager_address::{ManagerAddressError, manager_address};
pub use mistake::{Mistake, Mistakes, SettingSource};
pub use nearest::nearest;

/// Everything that can be set, one field a section. `Config::default()` is complete but for
/// `stream_manager.url` and an address to listen on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[stream_manager]`: the source of truth about streams and nodes.
    pub stream_manager: StreamManager,
    /// `[listen]`: the addresses to serve on.
    pub listen: Listen,
    /// `[tls]`: the certificate of the addresses in `listen.https`.
    pub tls: Tls,
    /// `[nodes]`: which addresses may be dialled.
    pub nodes: Nodes,
    /// `[proxy]`: what is served, and under which names.
    pub proxy: Proxy,
    /// `[sessions]`: the sealed URLs that clients get for their sessions.
    pub sessions: Sessions,
    /// `[auth]`: who may publish and play.
    pub auth: Auth,
    /// `[ice]`: the ICE servers that clients are told of.
    pub ice: Ice,
    /// `[lookup]`: how long the Stream Manager's answers are remembered.
    pub lookup: Lookup,
    /// `[timeouts]`: how long each wait may take.
    pub timeouts: Timeouts,
    /// `[limits]`: what requests and sessions may cost.
    pub limits: Limits,
    /// `[connections]`: what one client connection may cost.
    pub connections: Connections,
    /// `[shutdown]`: how a stop goes.
    pub shutdown: Shutdown,
    /// `[admin]`: who may ask what on the admin interface.
    pub admin: Admin,
    /// `[log]`: what is written to standard output.
    pub log: Log,
    /// `[tracing]`: which spans are told of, and to whom.
    pub tracing: Tracing,
}

/// `[sessions]`: the sealed URLs in which a replica remembers the node of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sessions {
    /// File with the keys that seal session URLs; the same file on every replica. Read again when
    /// it changes. Without one, or as long as it does not exist, a key is made at start, which no
    /// other replica and no later start knows.
    pub key_file: Option<PathBuf>,
    /// Whether a session URL without a token means the session that this replica made for the
    /// client that asks: the same address, `User-Agent`, `Origin` and `Authorization`. Off where a
    /// TCP load balancer hides the addresses of clients.
    pub by_client: bool,
    /// Life of a session URL, counted from the answer that gave it.
    #[serde(with = "days")]
    pub lifetime: Duration,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            key_file: None,
            by_client: true,
            lifetime: Duration::from_hours(168),
        }
    }
}

/// `[shutdown]`: how a stop goes after SIGTERM or SIGINT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// How long clients are still served after `/readyz` has begun to say 503, so that load
    /// balancers hear of it.
    #[serde(with = "duration")]
    pub delay: Duration,
    /// Longest wait for requests and sessions to end before the process exits.
    #[serde(with = "duration")]
    pub deadline: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            deadline: Duration::from_secs(30),
        }
    }
}

/// `[admin]`: the admin interface, besides the address in `listen.admin`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Unix socket where everything can be read and changed; none unless set.
    pub socket: Option<PathBuf>,
    /// Host names, besides IP addresses and `localhost`, under which `listen.admin` may be asked.
    pub hosts: Vec<String>,
}

/// `[log]`: what is written, and in which shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Shape of a line.
    pub format: LogFormat,
    /// Which events are written, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            filter: "info".to_owned(),
        }
    }
}

/// `[tracing]`: W3C Trace Context, and spans for a collector of OpenTelemetry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracing {
    /// URL of a collector that takes OTLP over HTTP, without a path for `/v1/traces`; no spans
    /// are sent unless set.
    pub otlp: Option<String>,
    /// How many of the traces that begin here are told.
    pub sample: Ratio,
    /// Whose `traceparent` is believed.
    pub parents: Parents,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            otlp: None,
            sample: Ratio::ALL,
            parents: Parents::default(),
        }
    }
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// [`LogFormat::Text`] on a terminal, [`LogFormat::Json`] elsewhere.
    #[default]
    Auto,
    /// For eyes.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests;
