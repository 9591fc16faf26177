//! The crate's metrics, and the state of the manager that `/status` shows.
//!
//! Knows no module that counts here, only words: causes, refusals, errors.

mod families;
mod seen;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, Registry, core::Collector};
use tokio::time::Instant;

pub use self::seen::{LoginSeen, ManagerSeen, NodeListSeen, Totals};
use crate::{asker::Asker, cause::Cause, error::LookupError, refusal::Refusal};

/// The kinds of causes for nodes: their names are resolved before, and they speak no TLS.
const NODE_KINDS: [&str; 4] = ["refused", "timeout", "answer", "other"];

/// Counters of this crate. Cheap to clone: all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    recalled: [IntCounter; Found::ALL.len()],
    lookups: IntCounterVec,
    found: IntCounter,
    not_found: IntCounter,
    refused: IntCounter,
    failed: IntCounter,
    questions: IntCounterVec,
    duration: Histogram,
    manager_up: IntGauge,
    breaker_open: IntGauge,
    breaker_opened: IntCounter,
    ejections: IntCounter,
    manager_failures: IntCounterVec,
    node_failures: IntCounterVec,
    node_connect: Histogram,
    refusals: IntCounterVec,
    polls: IntCounterVec,
    polls_ok: IntCounter,
    polls_failed: IntCounter,
    logins: [IntCounter; LOGINS.len()],
    logins_all: IntCounterVec,
    login_failing: IntGauge,
    manager: Mutex<ManagerSeen>,
}

/// Label values of [`LoginOutcome`], in the order of its discriminants.
const LOGINS: [&str; 3] = ["ok", "refused", "failed"];

impl Default for Metrics {
    /// Counters outside any registry.
    fn default() -> Self {
        let inner = Inner::unregistered();
        Self(Arc::new(inner.unwrap_or_else(|error| {
            unreachable!("the names are constant: {error}")
        })))
    }
}

impl Metrics {
    /// Makes the counters and registers them.
    ///
    /// # Errors
    /// A collector of the same name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Inner::unregistered()?;
        let all: [Box<dyn Collector>; 14] = [
            Box::new(metrics.lookups.clone()),
            Box::new(metrics.questions.clone()),
            Box::new(metrics.breaker_open.clone()),
            Box::new(metrics.breaker_opened.clone()),
            Box::new(metrics.ejections.clone()),
            Box::new(metrics.manager_failures.clone()),
            Box::new(metrics.node_failures.clone()),
            Box::new(metrics.node_connect.clone()),
            Box::new(metrics.duration.clone()),
            Box::new(metrics.manager_up.clone()),
            Box::new(metrics.refusals.clone()),
            Box::new(metrics.polls.clone()),
            Box::new(metrics.logins_all.clone()),
            Box::new(metrics.login_failing.clone()),
        ];
        all.into_iter()
            .try_for_each(|collector| registry.register(collector))?;
        metrics.manager_up.set(1);
        Ok(Self(Arc::new(metrics)))
    }

    pub(crate) fn recalled(&self, found: Found) {
        if let Some(counter) = self.0.recalled.get(found as usize) {
            counter.inc();
        }
    }

    pub(crate) fn breaker(&self, open: bool) {
        self.0.breaker_open.set(i64::from(open));
        self.0.breaker_opened.inc_by(u64::from(open));
    }

    pub(crate) fn ejected(&self) {
        self.0.ejections.inc();
    }

    /// A node failed a request.
    pub(crate) fn node_failed(&self, cause: &Cause) {
        let kind = match cause.kind() {
            kind if NODE_KINDS.contains(&kind) => kind,
            _ => "other",
        };
        self.0.node_failures.with_label_values(&[kind]).inc();
    }

    /// A connection to a node was established.
    pub(crate) fn connected(&self, took: Duration) {
        self.0.node_connect.observe(took.as_secs_f64());
    }

    /// The manager was asked.
    ///
    /// An error in answer to an idle probe shows that the manager can be reached, and nothing about
    /// clients' lookups: it is kept as the last error, but does not count as a failed call.
    pub(crate) fn asked<T>(&self, since: Instant, answer: &Result<T, LookupError>, asker: Asker) {
        self.0.duration.observe(since.elapsed().as_secs_f64());
        if let Err(LookupError::Manager(fault)) = answer
            && asker == Asker::IDLE_PROBE
            && fault.is_an_answer()
        {
            self.0.manager_up.set(1);
            let mut seen = self.seen();
            seen.last_error = fault.cause().map(|cause| (cause, Instant::now()));
            seen.answered(since);
            return;
        }
        let (counter, up) = match answer {
            Ok(_) => (&self.0.found, 1),
            Err(LookupError::NotFound(_)) => (&self.0.not_found, 1),
            Err(LookupError::Refused(_)) => (&self.0.refused, 1),
            Err(LookupError::Busy) => (&self.0.failed, 1),
            Err(LookupError::Manager(_)) => (&self.0.failed, 0),
        };
        counter.inc();
        self.0.manager_up.set(up);
        if let Err(LookupError::Manager(fault)) = answer {
            // `None` only for an open circuit breaker, which is in front of this client.
            if let Some(cause) = fault.cause() {
                let failures = &self.0.manager_failures;
                failures.with_label_values(&[cause.kind()]).inc();
                self.seen().failed(cause);
            }
            return;
        }
        self.seen().answered(since);
    }

    /// The Stream Manager counts as down already, before a call that hangs has ended.
    pub(crate) fn manager_is_down(&self, cause: &Cause) {
        self.0.manager_up.set(0);
        self.seen().failed(cause.clone());
    }

    /// The state of the Stream Manager.
    pub fn manager(&self) -> ManagerSeen {
        self.seen().clone()
    }

    /// The counts by now.
    pub fn totals(&self) -> Totals {
        let [hits, stale, misses] = self.0.recalled.each_ref().map(IntCounter::get);
        Totals {
            hits,
            stale,
            misses,
            asked: self.0.duration.get_sample_count(),
            asked_seconds: self.0.duration.get_sample_sum(),
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, ManagerSeen> {
        let seen = self.0.manager.lock();
        seen.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.0.refusals.with_label_values(&[refusal.label()]).inc();
    }

    /// The list of nodes was polled.
    pub(crate) fn polled(&self, found: Result<usize, String>) {
        let polls = if found.is_ok() {
            &self.0.polls_ok
        } else {
            &self.0.polls_failed
        };
        polls.inc();
        let mut seen = self.seen();
        seen.node_list = Some(NodeListSeen::next(seen.node_list.take(), found));
    }

    /// A login was sent.
    pub(crate) fn logged_in(&self, outcome: LoginOutcome) {
        if let Some(counter) = self.0.logins.get(outcome as usize) {
            counter.inc();
        }
    }

    /// The login changed its state.
    pub(crate) fn login(&self, login: LoginSeen) {
        self.0.login_failing.set(i64::from(login.error.is_some()));
        self.seen().login = Some(login);
    }
}

/// The result of a login at a Stream Manager 2.0; a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginOutcome {
    Ok,
    Refused,
    Failed,
}

/// The result of a cache lookup; a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Hit,
    Stale,
    Miss,
}

impl Found {
    /// In the order of the discriminant.
    const ALL: [Self; 3] = [Self::Hit, Self::Stale, Self::Miss];

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
        }
    }
}
