//! Remembers answers, deals them to callers, and keeps them through an outage.
//!
//! What an answer is good for stands in `remembered.rs`; who waits for which question, in
//! `flights.rs`. Lives are measured with tokio's clock, so that tests can pause it; moka bounds how
//! much is remembered.

mod flights;
mod remembered;
mod view;

use std::{fmt, hash::Hash, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::{sync::oneshot, time::Instant};
use tokio_util::task::TaskTracker;
use tracing::trace;
use whipstitch_signaling::{Role, StreamKey};

use self::{
    flights::{After, Boarding, Caller, Flights, Passenger, Reply},
    remembered::{Recall, Remembered, SETTLING},
};
pub use self::{remembered::Freshness, view::Entry};
use crate::{
    Asker, Candidates, Cause, Directory, Health, Lookup, LookupError, ManagerFault, Metrics,
    Origin, Outcome, Purpose, Source, config, metrics::Found,
};

/// Most streams remembered to have ended, and lookups to have been forgotten.
const MAX_OVER: u64 = 10_000;

/// A [`Directory`] that asks a [`Source`] and remembers. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Cached(Arc<Inner>);

struct Inner {
    source: Arc<dyn Source>,
    answers: Cache<Lookup, Arc<Remembered>>,
    flights: Flights,
    /// When each publish last ended: what was asked about its stream before that is over.
    ended: Cache<StreamKey, Instant>,
    /// When each stream was last published: "no such stream" of before is over.
    published: Cache<StreamKey, Instant>,
    /// When the answer to each lookup last did not hold.
    forgotten: Cache<Lookup, Instant>,
    health: Health,
    config: config::Lookup,
    tasks: TaskTracker,
    metrics: Metrics,
}

impl Cached {
    /// Remembers what `source` says. Questions run on `tasks`.
    pub fn new(
        source: Arc<dyn Source>,
        config: config::Lookup,
        health: Health,
        tasks: TaskTracker,
        metrics: Metrics,
    ) -> Self {
        // Only a broom: what is over is not used, whether it is still there or not.
        let longest = config.play_ttl + config.stale_for;
        let broom = longest.max(config.negative_ttl).max(SETTLING);
        Self(Arc::new(Inner {
            source,
            answers: Cache::builder()
                .max_capacity(config.capacity)
                .time_to_idle(broom)
                .build(),
            flights: Flights::default(),
            ended: lately(broom),
            published: lately(broom),
            forgotten: lately(broom),
            health,
            config,
            tasks,
            metrics,
        }))
    }

    async fn find(
        &self,
        lookup: &Lookup,
        asker: Asker,
        purpose: Purpose,
    ) -> Result<Candidates, LookupError> {
        let answer = match self.0.recall(lookup, purpose) {
            Recall::Use(answer) => answer,
            Recall::UseAndRefresh(answer) => {
                // Too many under way: the next caller will try.
                let _ = self.board(lookup, asker, Passenger::Refresh);
                answer
            }
            Recall::Ask => self.ask(lookup, asker, purpose).await,
        };
        let candidates = self
            .spared(lookup, asker, self.0.health.order(answer?))
            .await;
        if purpose == Purpose::Session {
            self.0.health.chosen(&candidates);
        }
        Ok(candidates)
    }

    /// Other candidates, if all of these are ejected: the manager may go on naming a node that is
    /// gone, and by default it is asked for one node to play.
    async fn spared(&self, lookup: &Lookup, asker: Asker, candidates: Candidates) -> Candidates {
        if !self.0.health.all_ejected(&candidates) {
            return candidates;
        }
        let Some(wider) = lookup.wider() else {
            return candidates;
        };
        let others = match self.0.recall(&wider, Purpose::Session) {
            Recall::Use(answer) | Recall::UseAndRefresh(answer) => answer,
            Recall::Ask => self.ask(&wider, asker, Purpose::Session).await,
        };
        others.map_or(candidates, |others| self.0.health.order(others))
    }

    async fn ask(&self, lookup: &Lookup, asker: Asker, purpose: Purpose) -> Reply {
        let (reply, answer) = oneshot::channel();
        let caller = Caller::new(purpose, reply);
        self.board(lookup, asker, Passenger::Caller(caller))?;
        // Nobody replies only if the question's task was dropped, at the end of the process.
        answer
            .await
            .unwrap_or(Err(ManagerFault::Unreachable(Cause::Stopping).into()))
    }

    /// Joins the question under way, or asks it. All who share it are of one network, if there is
    /// one in the lookup; the manager gets the address of the first.
    fn board(
        &self,
        lookup: &Lookup,
        asker: Asker,
        passenger: Passenger,
    ) -> Result<(), LookupError> {
        let recheck = |passenger| self.0.recheck(lookup, passenger);
        match self.0.flights.board(lookup, passenger, recheck) {
            Boarding::Joined | Boarding::NotNeeded => {}
            Boarding::Depart => self.depart(lookup, asker),
            Boarding::Full => return Err(LookupError::Busy),
        }
        Ok(())
    }

    fn depart(&self, lookup: &Lookup, asker: Asker) {
        let flying = Flying {
            cached: self.clone(),
            lookup: lookup.clone(),
            asker,
            landed: false,
        };
        self.0.tasks.spawn(flying.fly());
    }
}

impl Inner {
    fn recall(&self, lookup: &Lookup, purpose: Purpose) -> Recall {
        let (recall, freshness) = match self.answers.get(lookup) {
            Some(remembered) => {
                let over = self.over(lookup, &remembered);
                (remembered.recall(purpose, over), remembered.freshness(over))
            }
            None => (Recall::Ask, Freshness::Gone),
        };
        let found = match (&recall, freshness) {
            (Recall::Ask, _) => Found::Miss,
            (_, Freshness::Stale) => Found::Stale,
            _ => Found::Hit,
        };
        self.metrics.recalled(found);
        trace!(stream = %lookup.key, role = lookup.role.action(), remembered = found.label(), ?freshness, "looked up");
        recall
    }

    /// Serves a passenger by what came in since it looked; gives it back if that does not do.
    fn recheck(&self, lookup: &Lookup, passenger: Passenger) -> Option<Passenger> {
        let Some(remembered) = self.answers.get(lookup) else {
            return Some(passenger);
        };
        let over = self.over(lookup, &remembered);
        match passenger {
            Passenger::Refresh => remembered.wants_refresh(over).then_some(Passenger::Refresh),
            Passenger::Caller(caller) => match remembered.recall(caller.purpose, over) {
                Recall::Use(answer) | Recall::UseAndRefresh(answer) => {
                    if caller.reply.send(answer).is_err() {
                        remembered.give_back(caller.purpose);
                    }
                    None
                }
                Recall::Ask => Some(Passenger::Caller(caller)),
            },
        }
    }

    /// When something last happened by which the answer is fresh no more, if anything did.
    fn over(&self, lookup: &Lookup, remembered: &Remembered) -> Option<Instant> {
        let asked = remembered.asked();
        let candidates = remembered.answer().iter().flat_map(Candidates::iter);
        let failed = candidates.filter_map(|origin| self.health.failed_since(origin, asked));
        let published = remembered.answer().is_err();
        let published = published.then(|| self.published.get(&lookup.key)).flatten();
        let told = [
            self.ended.get(&lookup.key),
            self.forgotten.get(lookup),
            published,
        ];
        failed
            .chain(told.into_iter().flatten())
            .filter(|at| *at > asked)
            .max()
    }

    /// Remembers an answer to what was asked at `asked`, and deals it to those who wait.
    fn land(&self, lookup: &Lookup, asked: Instant, answer: Reply) -> After {
        if self.is_worse_than_nothing(lookup, &answer) {
            return self.land_in_vain(lookup, &ManagerFault::NotAnAnswer.into());
        }
        let (found, fault) = (answer.is_ok(), answer.as_ref().err().cloned());
        let published = self.published.get(&lookup.key);
        match Remembered::new(answer, asked, lookup.role, published, &self.config) {
            Some(remembered) => {
                let remembered = Arc::new(remembered);
                self.answers.insert(lookup.clone(), remembered.clone());
                let spread = lookup.role == Role::Play && found;
                let each = spread.then_some(self.config.play_uses);
                let over = self.over(lookup, &remembered);
                self.flights
                    .land(lookup, each, |caller, _| deal(&remembered, over, caller))
            }
            None => self.land_in_vain(lookup, &fault.unwrap_or(LookupError::Busy)),
        }
    }

    /// A "no" without a word of the event API can come from whoever stands where the manager
    /// should: a container before its application is there, a proxy without a route. It does not
    /// outweigh what the manager itself said.
    fn is_worse_than_nothing(&self, lookup: &Lookup, answer: &Reply) -> bool {
        matches!(answer, Err(LookupError::NotFound(None)))
            && self.answers.get(lookup).is_some_and(|known| {
                known.answer().is_ok()
                    && known.freshness(self.over(lookup, &known)) != Freshness::Gone
            })
    }

    /// The manager could not tell: what was remembered is used if there is any, stale or not.
    fn land_in_vain(&self, lookup: &Lookup, fault: &LookupError) -> After {
        let stale = self.answers.get(lookup);
        if let Some(stale) = &stale {
            stale.refresh_failed();
        }
        let over = stale.as_ref().and_then(|stale| self.over(lookup, stale));
        self.flights.land(lookup, None, |caller, only| {
            if !only {
                // Another question is under way, which may fare better.
                return Some(caller);
            }
            let rescued = stale
                .as_ref()
                .and_then(|stale| stale.rescue(caller.purpose, over));
            let _ = caller.reply.send(rescued.unwrap_or(Err(fault.clone())));
            None
        })
    }
}

/// When something last happened to each of many.
fn lately<K: Hash + Eq + Send + Sync + 'static>(broom: Duration) -> Cache<K, Instant> {
    Cache::builder()
        .max_capacity(MAX_OVER)
        .eviction_policy(EvictionPolicy::lru())
        .time_to_live(broom)
        .build()
}

/// Gives a caller its use of an answer; gives the caller back if there is none left, or if it came
/// after something of which the answer does not know.
fn deal(remembered: &Remembered, over: Option<Instant>, caller: Caller) -> Option<Caller> {
    if caller.reply.is_closed() {
        return None;
    }
    if over.is_some_and(|over| caller.since >= over) {
        return Some(caller);
    }
    let Some(answer) = remembered.take(caller.purpose) else {
        return Some(caller);
    };
    if caller.reply.send(answer).is_err() {
        remembered.give_back(caller.purpose);
    }
    None
}

/// A question under way. Dropped before its end, it counts as answered with a fault, so that nobody
/// waits for ever.
struct Flying {
    cached: Cached,
    lookup: Lookup,
    asker: Asker,
    landed: bool,
}

impl Flying {
    async fn fly(mut self) {
        loop {
            let asked = Instant::now();
            let answer = self.cached.0.source.ask(&self.lookup, self.asker).await;
            let After { again, more } = self.cached.0.land(&self.lookup, asked, answer);
            for _ in 0..more {
                self.cached.depart(&self.lookup, self.asker);
            }
            if !again {
                self.landed = true;
                return;
            }
        }
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        if !self.landed {
            let fault = LookupError::Manager(ManagerFault::Unreachable(Cause::Stopping));
            let _ = self.cached.0.land_in_vain(&self.lookup, &fault);
        }
    }
}

impl Directory for Cached {
    fn locate<'a>(
        &'a self,
        lookup: &'a Lookup,
        asker: Asker,
        purpose: Purpose,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(self.find(lookup, asker, purpose))
    }

    fn forget(&self, lookup: &Lookup) {
        self.0.forgotten.insert(lookup.clone(), Instant::now());
    }

    fn ended(&self, stream: &StreamKey) {
        self.0.ended.insert(stream.clone(), Instant::now());
    }

    fn published(&self, stream: &StreamKey) {
        self.0.published.insert(stream.clone(), Instant::now());
    }

    fn report(&self, origin: &Origin, outcome: Outcome) {
        self.0.health.report(origin, outcome);
    }

    fn connected(&self, node: SocketAddr, took: Duration) {
        self.0.health.connected(node, took);
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("entries", &self.0.answers.entry_count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;
