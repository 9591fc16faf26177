//! The circuit breaker: stops asking a Stream Manager that does not answer, and asks one that no
//! client asks.
//!
//! After three faults in a row, and a probe that fails as well, no caller waits for the manager any
//! more: every question is answered at once with [`ManagerFault::CircuitOpen`], and a probe a
//! second finds out when it is back. The probe is a question of our own, and it alone opens and
//! closes: a client may know questions that the manager cannot answer, or not soon.
//!
//! The same question is asked once at the start and whenever no lookup was sent for
//! [`Breaker::probe_when_idle`], so that an operator learns of an outage before the first client
//! does. It asks to *play* a stream that does not exist: a publish lookup would make the manager
//! reserve a node, or pass on a provision. "No such stream" is a good answer.
//!
//! | answer to the idle probe | what follows |
//! |---|---|
//! | nodes, "no such stream", an address that is not allowed | the manager is up |
//! | no connection, no answer in time | the probes of a second begin, which may open the breaker |
//! | an error status, no JSON, or more than 64 KiB | one warning; lookups of clients are sent on, since the fault may be this question's, and the manager counts as answering, since it can be reached |

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use whipstitch_signaling::{Role, StreamKey};

use crate::{
    Asker, Candidates, Cause, Hints, Lookup, LookupError, ManagerFault, Metrics, Seconds, Source,
};

/// Faults in a row that raise a suspicion.
const FAULTS: u32 = 3;
/// How long the first probe is waited for; a manager that takes longer is not there for others to
/// wait for.
const PATIENCE: Duration = Duration::from_millis(500);
/// Time between two probes.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// A [`Source`] that spares another one that does not answer. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Breaker(Arc<Inner>);

struct Inner {
    source: Arc<dyn Source>,
    open: AtomicBool,
    state: Mutex<State>,
    tasks: TaskTracker,
    stop: CancellationToken,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    faults: u32,
    probing: bool,
    last_probe: Option<Instant>,
    /// When a question was last sent.
    last_asked: Option<Instant>,
    /// Since when the manager is down, and why: while the breaker is open.
    down: Option<(Instant, Cause)>,
    /// Since when the idle probe is answered with an error.
    misanswers: Option<Instant>,
}

impl Breaker {
    /// Stands before `source`. Probes run on `tasks`, until `stop`.
    pub fn new(
        source: Arc<dyn Source>,
        tasks: TaskTracker,
        stop: CancellationToken,
        metrics: Metrics,
    ) -> Self {
        Self(Arc::new(Inner {
            source,
            open: AtomicBool::new(false),
            state: Mutex::default(),
            tasks,
            stop,
            metrics,
        }))
    }

    /// Whether the manager is not asked at present.
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Asks once now, and again whenever no question was sent for as long as `every`.
    pub fn probe_when_idle(&self, every: Duration) {
        let (this, stop) = (self.clone(), self.0.stop.clone());
        self.0.tasks.spawn(async move {
            stop.run_until_cancelled(this.keep_probing(every)).await;
        });
    }

    async fn keep_probing(&self, every: Duration) {
        let Some(question) = question() else { return };
        loop {
            if !self.lock().probing {
                self.probe_once(&question).await;
            }
            let mut due = Instant::now() + every;
            while Instant::now() < due {
                sleep_until(due).await;
                let last = self.lock().last_asked;
                due = last.map_or(due, |last| due.max(last + every));
            }
        }
    }

    async fn probe_once(&self, question: &Lookup) {
        self.lock().last_asked = Some(Instant::now());
        let answer = self.0.source.ask(question, Asker::IDLE_PROBE);
        tokio::pin!(answer);
        let answer = if let Ok(answer) = timeout(PATIENCE, &mut answer).await {
            answer
        } else {
            // At the start there is nothing else to show; later one slow answer is no news.
            if self.0.metrics.manager().answers.is_none() {
                self.0.metrics.manager_is_down(&Cause::Timeout(PATIENCE));
            }
            answer.await
        };
        match answer {
            Err(LookupError::Manager(ManagerFault::Unreachable(_) | ManagerFault::Timeout(_))) => {
                self.suspect();
            }
            Err(LookupError::Manager(fault)) => self.misanswered(&fault),
            Ok(_) | Err(LookupError::NotFound(_) | LookupError::Refused(_) | LookupError::Busy) => {
                self.answered();
            }
        }
    }

    fn misanswered(&self, fault: &ManagerFault) {
        let mut state = self.lock();
        if state.misanswers.is_none() {
            state.misanswers = Some(Instant::now());
            drop(state);
            let cause = fault.cause().unwrap_or(Cause::NotJson);
            warn!(
                cause = cause.label(),
                "Stream Manager answers a probe with an error ({cause}): lookups are still sent to it"
            );
        }
    }

    fn answered(&self) {
        if let Some(since) = self.lock().misanswers.take() {
            let after = Seconds(since.elapsed());
            info!("Stream Manager answers probes without an error again, after {after}");
        }
    }

    async fn ask_unless_open(
        &self,
        lookup: &Lookup,
        asker: Asker,
    ) -> Result<Candidates, LookupError> {
        if self.is_open() {
            return Err(ManagerFault::CircuitOpen.into());
        }
        self.lock().last_asked = Some(Instant::now());
        let answer = self.0.source.ask(lookup, asker).await;
        match &answer {
            Err(LookupError::Manager(_)) => self.fault(),
            // Only a probe closes: this may be the late answer to a question from before.
            Ok(_) | Err(LookupError::NotFound(_) | LookupError::Refused(_)) => {
                self.lock().faults = 0;
            }
            Err(LookupError::Busy) => {}
        }
        answer
    }

    fn fault(&self) {
        let mut state = self.lock();
        state.faults = state.faults.saturating_add(1);
        if state.faults >= FAULTS {
            drop(state);
            self.suspect();
        }
    }

    /// Begins to probe, unless that has begun.
    fn suspect(&self) {
        if std::mem::replace(&mut self.lock().probing, true) {
            return;
        }
        let (probing, stop) = (Probing(self.clone()), self.0.stop.clone());
        self.0.tasks.spawn(async move {
            stop.run_until_cancelled(probing.0.probe()).await;
        });
    }

    /// Asks once a second until there is an answer. Slow answers overlap the next question, so that
    /// neither a slow manager nor a question that hangs delays the end.
    async fn probe(&self) {
        let Some(question) = question() else { return };
        let last = self.lock().last_probe;
        let first = last.map_or_else(Instant::now, |last| last + PROBE_EVERY);
        sleep_until(first).await;
        let mut every = interval_at(first.max(Instant::now()), PROBE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = FuturesUnordered::new();
        let patience = sleep(PATIENCE);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                _ = every.tick() => {
                    self.lock().last_probe = Some(Instant::now());
                    asked.push(self.0.source.ask(&question, Asker::UNKNOWN));
                }
                Some(answer) = asked.next() => match answer {
                    Err(LookupError::Manager(fault)) => self.open(fault.cause().unwrap_or(Cause::NotJson)),
                    Ok(_) | Err(LookupError::NotFound(_) | LookupError::Refused(_) | LookupError::Busy) => return,
                },
                () = &mut patience, if !self.is_open() => self.open(Cause::Timeout(PATIENCE)),
            }
        }
    }

    fn open(&self, cause: Cause) {
        self.0.metrics.manager_is_down(&cause);
        if self.0.open.swap(true, Ordering::Relaxed) {
            return;
        }
        self.0.metrics.breaker(true);
        warn!(
            cause = cause.label(),
            "Stream Manager down ({cause}): circuit breaker open, serving cached lookups, probing every second"
        );
        let since = self.0.metrics.manager().failing_since;
        let since = since.unwrap_or_else(Instant::now);
        self.lock().down = Some((since, cause));
    }

    fn close(&self) {
        if !self.0.open.swap(false, Ordering::Relaxed) {
            return;
        }
        self.0.metrics.breaker(false);
        let Some((since, cause)) = self.lock().down.take() else {
            return;
        };
        let down = Seconds(since.elapsed());
        let since = when(since);
        info!(
            cause = cause.label(),
            "Stream Manager up again: circuit breaker closed; it was down for {down} since {since} ({cause})"
        );
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Breaker {
    fn ask<'a>(
        &'a self,
        lookup: &'a Lookup,
        asker: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(self.ask_unless_open(lookup, asker))
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}

/// To the second, in UTC.
fn when(since: Instant) -> jiff::Timestamp {
    let ago = jiff::SignedDuration::try_from(since.elapsed()).unwrap_or_default();
    let at = jiff::Timestamp::now().checked_sub(ago);
    let at = at.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// To play a stream that does not exist takes nothing from any client; "no such stream" is the good
/// answer.
fn question() -> Option<Lookup> {
    Some(Lookup::new(
        Role::Play,
        StreamKey::new("live", "whipstitch-probe").ok()?,
        Hints::default(),
    ))
}

/// A search for the end of an outage. However it ends, the next fault may begin another one.
struct Probing(Breaker);

impl Drop for Probing {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        (state.faults, state.probing) = (0, false);
        drop(state);
        // Who is told to stop has not found its end.
        if !self.0.0.stop.is_cancelled() {
            self.0.close();
        }
    }
}

#[cfg(test)]
mod tests;
