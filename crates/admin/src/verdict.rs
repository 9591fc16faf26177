//! The verdict: whether clients are served, and if not, why, since when, and what to do.
//!
//! It is computed in one place. `/status` shows it, so the page and `whipstitch status` do, and
//! `whipstitch_verdict` is the same verdict for alerts.
//!
//! | file | one idea |
//! |---|---|
//! | `cause.rs` | every cause that there is: a slug, which is a label value |
//! | `evidence.rs` | what is known at one moment |
//! | `judge.rs` | evidence in, causes out: pure |
//! | `window.rs` | what came of the last minute's attempts |
//!
//! A cause has a time of its own where its part knows one (a node, the manager, a drain); otherwise
//! it is when the cause was first seen, at most one step of the history later.

mod cause;
mod evidence;
mod judge;
mod window;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use serde::Serialize;
use whipstitch_config::LiveConfig;
use whipstitch_ingress::CertStore;
use whipstitch_origin as origin;
use whipstitch_proxy as proxy;

pub(crate) use self::window::{MINUTE, QUARTER};
pub use self::{
    cause::{CauseKind, Severity},
    judge::CERTIFICATE_DAYS,
};
use self::{evidence::Evidence, window::Window};
use crate::{Lifecycle, Reload, View, answer::unix_ms, limits::Limits};

/// What the verdict is taken from.
#[derive(Debug)]
pub struct Sources {
    /// The stage of the process, and its drain.
    pub lifecycle: Arc<dyn Lifecycle>,
    /// The last reload, and files that cannot be used.
    pub reload: Arc<dyn Reload>,
    /// The nodes.
    pub view: View,
    /// The state of the Stream Manager.
    pub origin: origin::Metrics,
    /// The circuit breaker in front of it.
    pub breaker: origin::Breaker,
    /// Attempts of clients.
    pub proxy: proxy::Metrics,
    /// The certificate in use; `None` without TLS.
    pub certificates: Option<Arc<CertStore>>,
    /// The active configuration.
    pub live_config: LiveConfig,
    /// What is in use of each limit.
    pub limits: Limits,
}

/// Judges the process. Clones share one state.
#[derive(Clone)]
pub struct Judge(Arc<Inner>);

struct Inner {
    sources: Sources,
    window: Window,
    /// Since when each cause is there, in the order of [`CauseKind::ALL`].
    since: Mutex<[Option<SystemTime>; CauseKind::ALL.len()]>,
}

/// The state of the process in a word, with its causes, the most severe first.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The most severe cause; `healthy` without any.
    pub level: Level,
    /// Every cause.
    pub causes: Vec<Cause>,
}

/// The verdict in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// No cause.
    Healthy,
    /// Clients are served; something is worth a look.
    Warning,
    /// Clients are not served, or will not be soon.
    ActionRequired,
}

/// One reason why the verdict is not `healthy`.
#[derive(Debug, Serialize)]
pub struct Cause {
    /// Which.
    #[serde(rename = "cause")]
    pub kind: CauseKind,
    /// How bad it is.
    pub severity: Severity,
    /// A sentence on what is wrong.
    pub text: String,
    /// A sentence on what to do.
    pub action: &'static str,
    /// Since when, in milliseconds since 1970.
    pub since_at: u64,
}

impl Judge {
    /// A judge of these.
    pub fn new(sources: Sources) -> Self {
        let window = Window::new(sources.proxy.attempts());
        Self(Arc::new(Inner {
            sources,
            window,
            since: Mutex::default(),
        }))
    }

    /// The verdict now.
    pub fn verdict(&self) -> Verdict {
        let evidence = Evidence::gather(&self.0.sources, &self.0.window);
        let mut found = judge::causes(&evidence);
        found.sort_by_key(|one| std::cmp::Reverse(one.severity));
        let mut memory = self.0.since.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, since) in CauseKind::ALL.into_iter().zip(memory.iter_mut()) {
            let there = found.iter().any(|one| one.kind == kind);
            *since = there.then(|| since.unwrap_or(evidence.now));
        }
        let noticed = |kind: CauseKind| memory.get(kind as usize).copied().flatten();
        let causes = found.into_iter().map(|one| {
            let since = one.since.or_else(|| noticed(one.kind));
            Cause {
                kind: one.kind,
                severity: one.severity,
                text: one.text,
                action: one.kind.action(),
                since_at: unix_ms(since.unwrap_or(evidence.now)),
            }
        });
        Verdict::of(causes.collect())
    }

    /// What came of the attempts of the last minute, and of the last 15 minutes.
    pub(crate) fn recent(&self) -> [proxy::metrics::Attempted; 2] {
        let now = self.0.sources.proxy.attempts();
        [MINUTE, QUARTER].map(|span| self.0.window.since(span, &now))
    }

    /// Takes a sample, and notices what has begun. The history does so at every step.
    pub(crate) fn sample(&self) {
        self.0.window.sample(self.0.sources.proxy.attempts());
        self.verdict();
    }
}

impl Verdict {
    fn of(causes: Vec<Cause>) -> Self {
        let level = match causes.iter().map(|cause| cause.severity).max() {
            None => Level::Healthy,
            Some(Severity::Warning) => Level::Warning,
            Some(Severity::ActionRequired) => Level::ActionRequired,
        };
        Self { level, causes }
    }

    /// For each cause that there can be: 0 if it is not there, 1 for a warning, 2 for an action
    /// that is required.
    pub fn by_cause(&self) -> [(CauseKind, u8); CauseKind::ALL.len()] {
        CauseKind::ALL.map(|kind| {
            let causes = self.causes.iter().filter(|cause| cause.kind == kind);
            let worst = causes.map(|cause| cause.severity as u8).max();
            (kind, worst.unwrap_or(0))
        })
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").finish_non_exhaustive()
    }
}
