//! Stops asking a Stream Manager that does not answer.
//!
//! After a few faults in a row nobody waits for the manager any more: every question is answered at once with
//! [`ManagerFault::Shunned`], and a probe a second finds out when it is back. The probe is a question of our own, and it
//! alone opens and closes: a client may know questions that the manager cannot answer, or not soon.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use whipstitch_signaling::{Role, StreamKey};

use crate::{Candidates, Hints, Lookup, LookupError, ManagerFault, Metrics, Source};

/// Faults in a row that raise a suspicion.
const FAULTS: u32 = 3;
/// How long the first probe is waited for; a manager that takes longer is not there for others to wait for.
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

    async fn ask_unless_open(&self, lookup: &Lookup) -> Result<Candidates, LookupError> {
        if self.is_open() {
            return Err(ManagerFault::Shunned.into());
        }
        let answer = self.0.source.ask(lookup).await;
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
        if state.faults < FAULTS || std::mem::replace(&mut state.probing, true) {
            return;
        }
        drop(state);
        let (probing, stop) = (Probing(self.clone()), self.0.stop.clone());
        self.0.tasks.spawn(async move {
            stop.run_until_cancelled(probing.0.probe()).await;
        });
    }

    /// Asks once a second until there is an answer. Slow answers overlap the next question, so that neither a slow
    /// manager nor a question that hangs delays the end.
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
                    asked.push(self.0.source.ask(&question));
                }
                Some(answer) = asked.next() => match answer {
                    Err(LookupError::Manager(fault)) => self.open(fault),
                    Ok(_) | Err(LookupError::NotFound(_) | LookupError::Refused(_) | LookupError::Busy) => return,
                },
                () = &mut patience, if !self.is_open() => self.open(ManagerFault::Timeout),
            }
        }
    }

    fn open(&self, fault: ManagerFault) {
        if !self.0.open.swap(true, Ordering::Relaxed) {
            self.0.metrics.breaker(true);
            warn!(%fault, "the Stream Manager is not asked until a probe gets an answer; what is remembered is used");
        }
    }

    fn close(&self) {
        if self.0.open.swap(false, Ordering::Relaxed) {
            self.0.metrics.breaker(false);
            info!("the Stream Manager answers again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Breaker {
    fn ask<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(self.ask_unless_open(lookup))
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}

/// Who plays a stream that nobody publishes takes nothing from anybody; "no such stream" is the answer hoped for.
fn question() -> Option<Lookup> {
    Some(Lookup {
        role: Role::Play,
        key: StreamKey::new("live", "whipstitch-probe").ok()?,
        hints: Hints::default(),
    })
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
