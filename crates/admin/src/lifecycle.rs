//! What the admin interface needs of the process that it belongs to: its stage, its drain, and its
//! reload. The wiring implements both traits.

use std::{fmt, time::SystemTime};

use futures_util::future::BoxFuture;
use serde::Serialize;

/// The stage of a process, from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Not every listener is bound.
    Starting,
    /// New clients are welcome.
    Ready,
    /// No new clients are welcome, and present sessions are ended.
    Draining,
    /// Every session has ended; the process waits for its signal.
    Drained,
}

/// The start of a drain, and its latest end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainTimes {
    /// When `/readyz` began to answer 503.
    pub began: SystemTime,
    /// When the remaining requests and sessions are closed.
    pub deadline: SystemTime,
}

/// The result of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everything ended by itself.
    Whole,
    /// The deadline came first.
    Cut {
        /// Exchanges that were closed.
        exchanges: usize,
        /// WebSocket sessions that were closed.
        sockets: usize,
    },
}

/// A drain in progress, or finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Its start and its latest end.
    pub times: DrainTimes,
    /// Exchanges that have not ended.
    pub exchanges: usize,
    /// WebSocket sessions that have not ended.
    pub sockets: usize,
    /// The result; `None` until the drain is finished.
    pub result: Option<Drained>,
}

/// The stage of the process, and its drain.
pub trait Lifecycle: Send + Sync + fmt::Debug {
    /// The present stage.
    fn stage(&self) -> Stage;

    /// Begins a drain, or joins the one in progress.
    fn begin_drain(&self) -> DrainTimes;

    /// Waits until the drain is finished.
    fn drained(&self) -> BoxFuture<'_, ()>;

    /// The drain, if one has begun.
    fn drain(&self) -> Option<Drain>;
}

/// Reads configuration and files again.
pub trait Reload: Send + Sync + fmt::Debug {
    /// Reads all of them.
    fn reload(&self) -> BoxFuture<'_, Report>;

    /// The last reload; `None` before the first.
    fn last(&self) -> Option<LastReload>;

    /// The watched files that cannot be used as they are on disk.
    fn file_faults(&self) -> FileFaults;
}

/// Why a watched file cannot be used as it is on disk, while its former content is in use; `None`
/// if it can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFaults {
    /// `tls.cert` and `tls.key`
    pub certificate: Option<String>,
    /// `sessions.key_file`
    pub session_keys: Option<String>,
    /// The secrets of `[ice]`.
    pub ice_secrets: Option<String>,
}

/// The result of a reload, part by part: `unchanged`, `reloaded`, `failed: why`, `asked` (in
/// progress) or `none` (there is no such file). For the settings it also names the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The configuration.
    pub settings: String,
    /// The certificate and its key.
    pub certificates: String,
    /// The keys that seal session URLs.
    pub session_keys: String,
    /// The secrets of the TURN servers.
    pub ice_secrets: String,
    /// The Stream Manager's list of nodes.
    pub nodes: String,
}

impl Report {
    /// Whether no part failed.
    pub fn is_good(&self) -> bool {
        self.failures().is_empty()
    }

    /// The parts that failed, and why.
    pub fn failures(&self) -> Vec<String> {
        let parts = [
            ("configuration", &self.settings),
            ("certificate", &self.certificates),
            ("session keys", &self.session_keys),
            ("TURN secrets", &self.ice_secrets),
            ("list of nodes", &self.nodes),
        ];
        let failed = parts.into_iter().filter_map(|(part, result)| {
            let why = result.strip_prefix("failed: ")?;
            Some(format!("{part}: {why}"))
        });
        failed.collect()
    }
}

/// The time and the result of the last reload.
#[derive(Clone, Debug, Serialize)]
pub struct LastReload {
    last_at: u64,
    last_result: &'static str,
    failures: Vec<String>,
}

impl LastReload {
    /// A reload at this time, with this result.
    pub fn new(at: SystemTime, report: &Report) -> Self {
        let failures = report.failures();
        Self {
            last_at: crate::answer::unix_ms(at),
            last_result: if failures.is_empty() {
                "done"
            } else {
                "failed"
            },
            failures,
        }
    }

    /// When it was, in milliseconds since 1970.
    pub(crate) fn at(&self) -> u64 {
        self.last_at
    }

    /// The parts that failed, and why.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }
}
