//! What is counted about finding nodes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector,
};
use tokio::time::Instant;

use crate::{
    Asker, Cause, LookupError, Refusal,
    node_list::{LoginError, LoginSeen, NodeListSeen, PollError},
};

/// The kinds of causes that a node can have: its name is resolved before, and it speaks no TLS.
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

/// How a login at a Stream Manager 2.0 went; label values.
const LOGINS: [&str; 3] = ["ok", "refused", "failed"];

/// What the Stream Manager's event API did last.
#[derive(Clone, Debug, Default)]
pub struct ManagerSeen {
    /// Whether the last call got an answer; `None` before the first.
    pub answers: Option<bool>,
    /// How long the last call took that got one.
    pub last_answer: Option<Duration>,
    /// Why the last call that got none failed, and when.
    pub last_error: Option<(Cause, Instant)>,
    /// Since when no call got an answer; `None` while they do, and before the first.
    pub failing_since: Option<Instant>,
    /// What came of the polls of its list of nodes; `None` if there was none.
    pub node_list: Option<NodeListSeen>,
    /// What came of the logins for them; `None` if there was none.
    pub login: Option<LoginSeen>,
}

impl ManagerSeen {
    fn answered(&mut self, asked: Instant) {
        self.answers = Some(true);
        self.failing_since = None;
        self.last_answer = Some(asked.elapsed());
    }

    fn failed(&mut self, cause: Cause) {
        let now = Instant::now();
        self.answers = Some(false);
        self.failing_since.get_or_insert(now);
        self.last_error = Some((cause, now));
    }
}

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Lookups that were answered by what is remembered.
    pub hits: u64,
    /// Lookups that were answered by what is past its life.
    pub stale: u64,
    /// Lookups for which the manager was asked, or an open question joined.
    pub misses: u64,
    /// Calls to the manager.
    pub asked: u64,
    /// What they took together, in seconds.
    pub asked_seconds: f64,
}

impl Default for Metrics {
    /// Counters that nobody reads.
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
    /// Another of the same name is registered already.
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

    /// A connection to a node came about.
    pub(crate) fn connected(&self, took: Duration) {
        self.0.node_connect.observe(took.as_secs_f64());
    }

    /// The manager was asked.
    ///
    /// An idle probe that is answered with an error shows that the manager can be reached, and
    /// nothing of the lookups of clients: it is kept as the last error, and neither counts as a
    /// failed call nor says that the manager fails.
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
            // Only the circuit breaker says that it did not ask, and it stands before this.
            if let Some(cause) = fault.cause() {
                let failures = &self.0.manager_failures;
                failures.with_label_values(&[cause.kind()]).inc();
                self.seen().failed(cause);
            }
            return;
        }
        self.seen().answered(since);
    }

    /// The Stream Manager is down, as far as can be told before a call that hangs has ended.
    pub(crate) fn manager_is_down(&self, cause: &Cause) {
        self.0.manager_up.set(0);
        self.seen().failed(cause.clone());
    }

    /// What the Stream Manager did last.
    pub fn manager(&self) -> ManagerSeen {
        self.seen().clone()
    }

    /// What has been counted by now.
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
    pub(crate) fn polled(&self, found: &Result<usize, PollError>) {
        let polls = if found.is_ok() {
            &self.0.polls_ok
        } else {
            &self.0.polls_failed
        };
        polls.inc();
        let found = found.as_ref().copied().map_err(ToString::to_string);
        let mut seen = self.seen();
        seen.node_list = Some(NodeListSeen::next(seen.node_list.take(), found));
    }

    /// A login was sent.
    pub(crate) fn logged_in<T>(&self, outcome: &Result<T, LoginError>) {
        let [ok, refused, failed] = &self.0.logins;
        match outcome {
            Ok(_) => ok,
            Err(error) if error.is_refusal() => refused,
            Err(_) => failed,
        }
        .inc();
    }

    /// How the login stands.
    pub(crate) fn login(&self, login: LoginSeen) {
        self.0.login_failing.set(i64::from(login.error.is_some()));
        self.seen().login = Some(login);
    }
}

/// How a lookup fared with what is remembered; a label value.
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

impl Inner {
    fn unregistered() -> prometheus::Result<Self> {
        let lookups = IntCounterVec::new(
            Opts::new(
                "origin_lookups_total",
                "Lookups of the node for a stream: hit (answered by what is remembered), stale (by what is past its life, since the Stream Manager cannot tell), miss (the Stream Manager is asked or an open question joined).",
            ),
            &["result"],
        )?;
        let questions = IntCounterVec::new(
            Opts::new(
                "stream_manager_lookups_total",
                "Calls to the Stream Manager's event API, by answer: found, not_found, refused (it named no address that may be dialled), failed. An idle probe (stream_manager.probe) that is answered with an error is none of them.",
            ),
            &["result"],
        )?;
        let refusals = IntCounterVec::new(
            Opts::new(
                "origin_refused_total",
                "Addresses that were not dialled, by reason.",
            ),
            &["reason"],
        )?;
        for refusal in Refusal::ALL {
            refusals.with_label_values(&[refusal.label()]);
        }
        let polls = IntCounterVec::new(
            Opts::new(
                "node_list_polls_total",
                "Looks at the Stream Manager's list of nodes, by how they went.",
            ),
            &["result"],
        )?;
        let logins = IntCounterVec::new(
            Opts::new(
                "stream_manager_logins_total",
                "Logins at a Stream Manager 2.0, by result: ok, refused (it said no, or does not accept the token that it gave), failed (no answer, or none that can be read).",
            ),
            &["result"],
        )?;
        let (manager_failures, node_failures) = failures()?;
        Ok(Self {
            recalled: Found::ALL.map(|found| lookups.with_label_values(&[found.label()])),
            lookups,
            found: questions.with_label_values(&["found"]),
            not_found: questions.with_label_values(&["not_found"]),
            refused: questions.with_label_values(&["refused"]),
            failed: questions.with_label_values(&["failed"]),
            questions,
            duration: Histogram::with_opts(
                HistogramOpts::new(
                    "origin_lookup_duration_seconds",
                    "Time of the calls to the Stream Manager's event API.",
                )
                .buckets(vec![
                    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
                ]),
            )?,
            manager_up: IntGauge::new(
                "stream_manager_up",
                "Whether the last call to the Stream Manager's event API got an answer (1) or not (0); 1 before the first. One question of a client that it cannot answer is enough for 0: alert on stream_manager_breaker_open. For an idle probe an error status is an answer.",
            )?,
            breaker_open: IntGauge::new(
                "stream_manager_breaker_open",
                "Whether lookups are held back from a Stream Manager that does not answer (1) or sent to it (0).",
            )?,
            breaker_opened: IntCounter::new(
                "stream_manager_breaker_opened_total",
                "Times that lookups began to be held back from a Stream Manager that did not answer.",
            )?,
            ejections: IntCounter::new(
                "node_ejections_total",
                "Times that a node was ejected: others are tried first for a while.",
            )?,
            manager_failures,
            node_failures,
            node_connect: Histogram::with_opts(
                HistogramOpts::new(
                    "node_connect_duration_seconds",
                    "Time until connections to nodes were there; those that did not come about are not among them.",
                )
                .buckets(vec![
                    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0,
                ]),
            )?,
            refusals,
            polls_ok: polls.with_label_values(&["ok"]),
            polls_failed: polls.with_label_values(&["failed"]),
            polls,
            logins: LOGINS.map(|result| logins.with_label_values(&[result])),
            logins_all: logins,
            login_failing: IntGauge::new(
                "stream_manager_login_failing",
                "Whether the last login at a Stream Manager 2.0 failed, or user and password cannot be read (1), or not (0); 0 where no login is configured.",
            )?,
            manager: Mutex::default(),
        })
    }
}

/// What the Stream Manager and the nodes failed, by kind of cause.
fn failures() -> prometheus::Result<(IntCounterVec, IntCounterVec)> {
    let manager = IntCounterVec::new(
        Opts::new(
            "stream_manager_failures_total",
            "Calls to the Stream Manager's event API that got no usable answer, by cause: refused (connection), name (resolution), timeout, tls, answer (an error status, not HTTP, not its JSON, too long), other.",
        ),
        &["cause"],
    )?;
    let nodes = IntCounterVec::new(
        Opts::new(
            "node_failures_total",
            "Requests that a node failed, by cause: refused (connection), timeout, answer (502, 503, not HTTP), other.",
        ),
        &["cause"],
    )?;
    for kind in Cause::KINDS {
        manager.with_label_values(&[kind]);
    }
    for kind in NODE_KINDS {
        nodes.with_label_values(&[kind]);
    }
    Ok((manager, nodes))
}
