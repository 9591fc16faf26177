//! What is known at one moment. Plain data, so that the judgement can be tested without a process.

use std::time::{Duration, SystemTime};

use whipstitch_ingress::{CertStore, Certificates};
use whipstitch_proxy::metrics::Attempted;

use super::{
    Sources,
    window::{MINUTE, Window},
};
use crate::{Drain, FileFaults, LastReload, Stage, limits::Limit, view::JudgedNodes};

/// All that the judgement rests on.
pub(super) struct Evidence {
    pub(super) now: SystemTime,
    pub(super) stage: Stage,
    pub(super) drain: Option<Drain>,
    pub(super) nodes: JudgedNodes,
    pub(super) last_minute: Attempted,
    pub(super) manager: Manager,
    pub(super) certificates: Option<Certificates>,
    pub(super) faults: FileFaults,
    /// Whether the configuration had mistakes when it was last read.
    pub(super) rejected: bool,
    pub(super) reload: Option<LastReload>,
    pub(super) limits: [Limit; 4],
}

/// The Stream Manager.
#[derive(Debug, Default)]
pub(super) struct Manager {
    pub(super) breaker_open: bool,
    /// Since when calls get no answer, and why the last one did not.
    pub(super) failing: Option<(Option<SystemTime>, String)>,
    /// The login that fails, and since when.
    pub(super) login: Option<(SystemTime, String)>,
}

impl Evidence {
    pub(super) fn gather(sources: &Sources, window: &Window) -> Self {
        Self {
            now: SystemTime::now(),
            stage: sources.lifecycle.stage(),
            drain: sources.lifecycle.drain(),
            nodes: sources.view.judged_nodes(),
            last_minute: window.since(MINUTE, &sources.proxy.attempts()),
            manager: Manager::of(sources),
            certificates: sources.certificates.as_deref().map(CertStore::summary),
            faults: sources.reload.file_faults(),
            rejected: sources.live_config.is_rejected(),
            reload: sources.reload.last(),
            limits: sources.limits.read(),
        }
    }
}

impl Manager {
    fn of(sources: &Sources) -> Self {
        let seen = sources.origin.manager();
        let breaker_open = sources.breaker.is_open();
        let since = seen.failing_since.map(|at| before(at.elapsed()));
        let error = seen.last_error.map(|(cause, _)| cause.to_string());
        let is_failing = breaker_open || seen.answers == Some(false);
        let login = seen
            .login
            .and_then(|login| Some((login.since, login.error?)));
        Self {
            breaker_open,
            failing: is_failing.then(|| (since, error.unwrap_or_default())),
            login,
        }
    }
}

/// The wall clock's time of a moment that is this long ago.
fn before(ago: Duration) -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(ago).unwrap_or(now)
}
