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
        let parts = [
            &self.settings,
            &self.certificates,
            &self.session_keys,
            &self.ice_secrets,
            &self.nodes,
        ];
        parts.iter().all(|part| !part.starts_with("failed"))
    }
}

/// The time and the result of the last reload.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LastReload {
    last_at: u64,
    last_result: &'static str,
}

impl LastReload {
    /// A reload at this time; whether no part of it failed.
    pub fn new(at: SystemTime, is_good: bool) -> Self {
        Self {
            last_at: crate::answer::unix_ms(at),
            last_result: if is_good { "done" } else { "failed" },
        }
    }
}
