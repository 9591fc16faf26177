//! Reloads, on SIGHUP and `POST /reload`: the configuration, and the files that are watched anyway,
//! which are certificate, session keys, secrets of TURN servers, and the list of nodes.

pub(crate) mod configuration;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tracing::{info, warn};
use whipstitch_admin::{FileFaults, LastReload, Reload, Report};

use self::configuration::Reconfigure;
use crate::file_watch::{FileState, ReadRequests};

/// Longest wait for one part.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reloads the process. Clones share one state.
#[derive(Clone, Debug)]
pub(crate) struct Reloader(Arc<Inner>);

/// The parts of a reload; `None` where there is nothing to read.
#[derive(Debug)]
pub(crate) struct Reloadable {
    pub(crate) settings: Option<Reconfigure>,
    pub(crate) certificates: Option<ReadRequests>,
    pub(crate) session_keys: Option<ReadRequests>,
    pub(crate) ice_secrets: Option<ReadRequests>,
    pub(crate) nodes: Option<Arc<Notify>>,
}

#[derive(Debug)]
struct Inner {
    parts: Reloadable,
    results: Mutex<Results>,
    /// Concurrent reloads run one after the other, so that each report is of one reload.
    one_at_a_time: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Results {
    last: Option<LastReload>,
    counts: ReloadCounts,
}

/// How many reloads there were, and when the last one succeeded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReloadCounts {
    /// Reloads without a failure.
    pub(crate) done: u64,
    /// Reloads with a failure.
    pub(crate) failed: u64,
    /// The time of the last reload without a failure; at first, of the start.
    pub(crate) last_success: SystemTime,
}

impl ReloadCounts {
    /// No reload yet, in a process that was started then.
    pub(crate) fn none(started: SystemTime) -> Self {
        Self {
            done: 0,
            failed: 0,
            last_success: started,
        }
    }
}

impl Reloader {
    pub(crate) fn new(parts: Reloadable) -> Self {
        Self(Arc::new(Inner {
            parts,
            results: Mutex::new(Results {
                last: None,
                counts: ReloadCounts::none(SystemTime::now()),
            }),
            one_at_a_time: tokio::sync::Mutex::default(),
        }))
    }

    /// Reloads every part.
    pub(crate) async fn run(&self) -> Report {
        let _turn = self.0.one_at_a_time.lock().await;
        let parts = &self.0.parts;
        let report = Report {
            settings: within(self.settings()).await,
            certificates: within(read(parts.certificates.as_ref())).await,
            session_keys: within(read(parts.session_keys.as_ref())).await,
            ice_secrets: within(read(parts.ice_secrets.as_ref())).await,
            nodes: self.nodes(),
        };
        let Report {
            settings,
            certificates,
            session_keys,
            ice_secrets,
            nodes,
        } = &report;
        if report.is_good() {
            info!(
                settings,
                certificates, session_keys, ice_secrets, nodes, "reloaded"
            );
        } else {
            warn!(
                settings,
                certificates, session_keys, ice_secrets, nodes, "reload failed in part"
            );
        }
        self.results().add(&report, SystemTime::now());
        report
    }

    /// How many reloads there were.
    pub(crate) fn counts(&self) -> ReloadCounts {
        self.results().counts
    }

    fn results(&self) -> MutexGuard<'_, Results> {
        self.0
            .results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn settings(&self) -> String {
        match &self.0.parts.settings {
            Some(settings) => settings.reload().await.to_string(),
            None => "none".to_owned(),
        }
    }

    fn nodes(&self) -> String {
        let Some(poll_now) = &self.0.parts.nodes else {
            return "none".to_owned();
        };
        poll_now.notify_one();
        "asked".to_owned()
    }
}

impl Reload for Reloader {
    fn reload(&self) -> BoxFuture<'_, Report> {
        Box::pin(self.run())
    }

    fn last(&self) -> Option<LastReload> {
        self.results().last.clone()
    }

    fn file_faults(&self) -> FileFaults {
        let parts = &self.0.parts;
        let fault = |file: &Option<ReadRequests>| file.as_ref().and_then(ReadRequests::fault);
        FileFaults {
            certificate: fault(&parts.certificates),
            session_keys: fault(&parts.session_keys),
            ice_secrets: fault(&parts.ice_secrets),
        }
    }
}

impl Results {
    fn add(&mut self, report: &Report, now: SystemTime) {
        if report.is_good() {
            self.counts.done += 1;
            self.counts.last_success = now;
        } else {
            self.counts.failed += 1;
        }
        self.last = Some(LastReload::new(now, report));
    }
}

/// The result of a part, or a failure after [`TIMEOUT`]: a file system that hangs must not block
/// the next reload.
async fn within(part: impl Future<Output = String>) -> String {
    let read = tokio::time::timeout(TIMEOUT, part).await;
    read.unwrap_or_else(|_| {
        format!("failed: nothing could be read within {TIMEOUT:?}; does its file system hang?")
    })
}

async fn read(requests: Option<&ReadRequests>) -> String {
    let Some(requests) = requests else {
        return "none".to_owned();
    };
    match requests.read_now().await {
        Some(FileState::Changed) => "reloaded".to_owned(),
        Some(FileState::Unchanged) => "unchanged".to_owned(),
        Some(FileState::Failed(why)) => format!("failed: {why}"),
        None => "failed: the process is stopping".to_owned(),
    }
}
