//! Reads again, at once: the configuration, and what is read again every now and then by itself,
//! which are certificate, session keys, secrets of TURN servers, and the list of nodes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde::Serialize;
use tokio::sync::Notify;
use tracing::{info, warn};
use whipstitch_ingress::{CertStore, Metrics};

use super::answer::unix_ms;
use crate::{
    reread::{Ask, Reread},
    settings::Reconfigure,
};

/// Longest wait for a file.
const LONGEST: Duration = Duration::from_secs(10);

/// What can be read again. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reloader(Arc<Inner>);

/// What there is to read.
#[derive(Debug, Default)]
pub(crate) struct Reloadable {
    pub(crate) settings: Option<Reconfigure>,
    pub(crate) certificates: Option<(Arc<CertStore>, Metrics)>,
    pub(crate) session_keys: Option<Ask>,
    pub(crate) ice_secrets: Option<Ask>,
    pub(crate) nodes: Option<Arc<Notify>>,
}

#[derive(Debug, Default)]
struct Inner {
    what: Reloadable,
    told: Mutex<Told>,
    /// One after the other: what two do at once nobody could tell.
    turn: tokio::sync::Mutex<()>,
}

/// What there is to tell of it.
#[derive(Clone, Debug)]
struct Told {
    last: Option<LastReload>,
    reloads: Reloads,
}

/// How often, and when it last went well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reloads {
    /// Times that nothing failed.
    pub(crate) done: u64,
    /// Times that something did.
    pub(crate) failed: u64,
    /// When nothing last failed; at first, the start, which fails otherwise.
    pub(crate) last_success: SystemTime,
}

/// What came of it, part by part: `unchanged`, `reloaded`, `failed: why`, `asked` (goes on by
/// itself) or `none` (there is no such file). Of the settings it also says which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    pub(crate) settings: String,
    pub(crate) certificates: String,
    pub(crate) session_keys: String,
    pub(crate) ice_secrets: String,
    pub(crate) nodes: String,
}

/// When it last was, and how it went.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LastReload {
    last_at: u64,
    last_result: &'static str,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            last: None,
            reloads: Reloads::none(SystemTime::now()),
        }
    }
}

impl Reloads {
    /// None yet, in a process that was started then.
    pub(crate) fn none(started: SystemTime) -> Self {
        Self {
            done: 0,
            failed: 0,
            last_success: started,
        }
    }
}

impl Report {
    /// Whether nothing failed.
    pub(crate) fn is_good(&self) -> bool {
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

impl Reloader {
    pub(crate) fn new(what: Reloadable) -> Self {
        Self(Arc::new(Inner {
            what,
            told: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// Reads all of it.
    pub(crate) async fn reload(&self) -> Report {
        let _turn = self.0.turn.lock().await;
        let report = Report {
            settings: within(self.settings()).await,
            certificates: within(self.certificates()).await,
            session_keys: within(look(self.0.what.session_keys.as_ref())).await,
            ice_secrets: within(look(self.0.what.ice_secrets.as_ref())).await,
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
                certificates, session_keys, ice_secrets, nodes, "not all could be reloaded"
            );
        }
        self.told().add(report.is_good(), SystemTime::now());
        report
    }

    /// When it last was, and how it went.
    pub(super) fn last(&self) -> Option<LastReload> {
        self.told().last.clone()
    }

    /// How often it was.
    pub(crate) fn reloads(&self) -> Reloads {
        self.told().reloads
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn settings(&self) -> String {
        match &self.0.what.settings {
            Some(settings) => settings.reload().await.to_string(),
            None => "none".to_owned(),
        }
    }

    async fn certificates(&self) -> String {
        let Some((store, metrics)) = &self.0.what.certificates else {
            return "none".to_owned();
        };
        match store.look(metrics).await {
            Ok(true) => "reloaded".to_owned(),
            Ok(false) => "unchanged".to_owned(),
            Err(error) => format!("failed: {error}"),
        }
    }

    fn nodes(&self) -> String {
        let Some(now) = &self.0.what.nodes else {
            return "none".to_owned();
        };
        now.notify_one();
        "asked".to_owned()
    }
}

impl Told {
    fn add(&mut self, is_good: bool, now: SystemTime) {
        let last_result = if is_good {
            self.reloads.done += 1;
            self.reloads.last_success = now;
            "done"
        } else {
            self.reloads.failed += 1;
            "failed"
        };
        self.last = Some(LastReload {
            last_at: unix_ms(now),
            last_result,
        });
    }
}

/// What came of a part, or that it took too long: a file system that hangs must not be in the way
/// of the next reload.
async fn within(part: impl Future<Output = String>) -> String {
    let read = tokio::time::timeout(LONGEST, part).await;
    read.unwrap_or_else(|_| {
        format!("failed: nothing could be read within {LONGEST:?}; does its file system hang?")
    })
}

async fn look(ask: Option<&Ask>) -> String {
    let Some(ask) = ask else {
        return "none".to_owned();
    };
    match ask.look().await {
        Some(Reread::Changed) => "reloaded".to_owned(),
        Some(Reread::Unchanged) => "unchanged".to_owned(),
        Some(Reread::Failed(why)) => format!("failed: {why}"),
        None => "failed: the process is stopping".to_owned(),
    }
}
