//! The cache of lookups: fresh answers, single flight, and stale answers during an outage.
//!
//! `entry.rs` decides how long an answer is served, `singleflight.rs` who waits for which question.
//! `answers.rs` keeps answers about live streams apart from those about made-up names. Ages are
//! measured with tokio's clock, so that tests can pause it; moka only bounds the number of entries.

mod answers;
mod entry;
mod events;
mod singleflight;
mod view;

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::task::TaskTracker;
use tracing::trace;
use whipstitch_signaling::{Role, StreamKey};

use self::{
    answers::Answers,
    entry::{CacheEntry, CacheRead, SETTLING},
    events::Events,
    singleflight::{After, Join, Reply, Request, SingleFlight, Waiter},
};
pub use self::{entry::Freshness, view::Entry};
use crate::{
    Asker, Candidates, Cause, Directory, Health, Lookup, LookupError, ManagerFault, Metrics,
    Origin, Outcome, Purpose, Source, config,
    metrics::Found,
    provoked::{self, Place},
};

/// A [`Directory`] that caches the answers of a [`Source`]. Clones share the cache.
#[derive(Clone)]
pub struct Cached(Arc<Inner>);

struct Inner {
    source: Arc<dyn Source>,
    answers: Answers,
    lookups: SingleFlight,
    /// When a publish of each stream last ended; invalidates older answers about the stream.
    ended: Events<StreamKey>,
    /// When each stream was last published; invalidates an older "no such stream".
    published: Events<StreamKey>,
    /// When the answer to each lookup was last found wrong.
    forgotten: Events<Lookup>,
    health: Health,
    config: config::Lookup,
    tasks: TaskTracker,
    metrics: Metrics,
}

impl Cached {
    /// Caches the answers of `source`. Lookups run on `tasks`.
    pub fn new(
        source: Arc<dyn Source>,
        config: config::Lookup,
        health: Health,
        tasks: TaskTracker,
        metrics: Metrics,
    ) -> Self {
        // It only bounds memory: events are compared with the age of an answer.
        let longest = config.play_ttl + config.stale_for;
        let longest = longest.max(config.negative_ttl).max(SETTLING);
        Self(Arc::new(Inner {
            source,
            answers: Answers::new(&config),
            lookups: SingleFlight::default(),
            ended: Events::new(longest),
            published: Events::new(longest),
            forgotten: Events::new(longest),
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
        let answer = match self.0.read(lookup, purpose) {
            CacheRead::Hit(answer) => answer,
            CacheRead::HitRevalidate(answer) => {
                // At the limit of lookups, the next caller tries again.
                let _ = self.join(lookup, asker, Request::Revalidate);
                answer
            }
            CacheRead::Miss => self.ask(lookup, asker, purpose).await,
        };
        let candidates = self
            .spared(lookup, asker, self.0.health.order(answer?))
            .await;
        if purpose == Purpose::Session {
            self.0.health.chosen(&candidates);
        }
        Ok(candidates)
    }

    /// Other candidates, if all of these are ejected: the manager may still name a dead node, and
    /// by default it is asked for only one node to play.
    async fn spared(&self, lookup: &Lookup, asker: Asker, candidates: Candidates) -> Candidates {
        if !self.0.health.all_ejected(&candidates) {
            return candidates;
        }
        let Some(wider) = lookup.wider() else {
            return candidates;
        };
        let others = match self.0.read(&wider, Purpose::Session) {
            CacheRead::Hit(answer) | CacheRead::HitRevalidate(answer) => answer,
            CacheRead::Miss => self.ask(&wider, asker, Purpose::Session).await,
        };
        others.map_or(candidates, |others| self.0.health.order(others))
    }

    async fn ask(&self, lookup: &Lookup, asker: Asker, purpose: Purpose) -> Reply {
        let (reply, answer) = oneshot::channel();
        let waiter = Waiter::new(purpose, reply);
        self.join(lookup, asker, Request::Wait(waiter))?;
        // Without a reply, the lookup's task was dropped: the process is stopping.
        answer
            .await
            .unwrap_or(Err(ManagerFault::Unreachable(Cause::Stopping).into()))
    }

    /// Joins the lookup in flight, or starts it. All waiters are in one network, if the lookup has
    /// one; the manager gets the leader's address.
    fn join(&self, lookup: &Lookup, asker: Asker, request: Request) -> Result<(), LookupError> {
        let recheck = |request| self.0.recheck(lookup, request);
        match self.0.lookups.join(lookup, request, recheck) {
            Join::Joined | Join::Served => {}
            Join::Leader => self.spawn_lookup(lookup, asker),
            Join::Full => return Err(LookupError::Busy),
        }
        Ok(())
    }

    fn spawn_lookup(&self, lookup: &Lookup, asker: Asker) {
        let running = RunningLookup {
            cached: self.clone(),
            lookup: lookup.clone(),
            asker,
            completed: false,
        };
        self.0.tasks.spawn(running.run());
    }
}

impl Inner {
    fn read(&self, lookup: &Lookup, purpose: Purpose) -> CacheRead {
        let (read, freshness) = match self.servable(lookup) {
            Some(entry) => {
                let invalidated_at = self.invalidated_at(lookup, &entry);
                (
                    entry.read(purpose, invalidated_at),
                    entry.freshness(invalidated_at),
                )
            }
            None => (CacheRead::Miss, Freshness::Gone),
        };
        let found = match (&read, freshness) {
            (CacheRead::Miss, _) => Found::Miss,
            (_, Freshness::Stale) => Found::Stale,
            _ => Found::Hit,
        };
        self.metrics.recalled(found);
        trace!(stream = %lookup.key, role = lookup.role.action(), entry = found.label(), ?freshness, "looked up");
        read
    }

    /// The answer that may serve a caller, by its age. None does for a publish: the manager is
    /// asked for each, and what it said before is for outages only.
    fn servable(&self, lookup: &Lookup) -> Option<Arc<CacheEntry>> {
        match lookup.role {
            Role::Publish => None,
            Role::Play => self.answers.get(lookup),
        }
    }

    /// Serves a request from the cache; returns it if the cache does not serve it.
    fn recheck(&self, lookup: &Lookup, request: Request) -> Option<Request> {
        let Some(entry) = self.servable(lookup) else {
            return Some(request);
        };
        let invalidated_at = self.invalidated_at(lookup, &entry);
        match request {
            Request::Revalidate => entry
                .needs_revalidation(invalidated_at)
                .then_some(Request::Revalidate),
            Request::Wait(waiter) => match entry.read(waiter.purpose, invalidated_at) {
                CacheRead::Hit(answer) | CacheRead::HitRevalidate(answer) => {
                    if waiter.reply.send(answer).is_err() {
                        entry.give_back(waiter.purpose);
                    }
                    None
                }
                CacheRead::Miss => Some(Request::Wait(waiter)),
            },
        }
    }

    /// The last event that invalidates this answer, if there was one.
    fn invalidated_at(&self, lookup: &Lookup, entry: &CacheEntry) -> Option<Instant> {
        let asked = entry.asked();
        let candidates = entry.answer().iter().flat_map(Candidates::iter);
        let failed = candidates.filter_map(|origin| self.health.failed_since(origin, asked));
        let published = entry.answer().is_err();
        let published = published
            .then(|| self.published.last(&lookup.key))
            .flatten();
        let told = [
            self.ended.last(&lookup.key),
            self.forgotten.last(lookup),
            published,
        ];
        failed
            .chain(told.into_iter().flatten())
            .filter(|at| *at > asked)
            .max()
    }

    /// Caches the answer to a question that was sent at `asked`, and serves the waiters.
    fn complete(&self, lookup: &Lookup, asked: Instant, answer: Reply) -> After {
        if self.is_worse_than_nothing(lookup, &answer) {
            return self.fail(lookup, &ManagerFault::NotAnAnswer.into());
        }
        let (found, fault) = (answer.is_ok(), answer.as_ref().err().cloned());
        let published = self.published.last(&lookup.key);
        match CacheEntry::new(answer, asked, lookup.role, published, &self.config) {
            Some(entry) => {
                let entry = Arc::new(entry);
                self.answers.insert(lookup, entry.clone());
                let spread = lookup.role == Role::Play && found;
                let each = spread.then_some(self.config.play_uses);
                let invalidated_at = self.invalidated_at(lookup, &entry);
                self.lookups.complete(lookup, each, |waiter, _| {
                    deal(&entry, invalidated_at, waiter)
                })
            }
            None => self.fail(lookup, &fault.unwrap_or(LookupError::Busy)),
        }
    }

    /// A 404 without an error message of the API may come from something else at the manager's
    /// address: a servlet container before its application is deployed, a proxy without a route. It
    /// does not replace an answer of the manager itself.
    fn is_worse_than_nothing(&self, lookup: &Lookup, answer: &Reply) -> bool {
        matches!(answer, Err(LookupError::NotFound(None)))
            && self.answers.get(lookup).is_some_and(|known| {
                known.answer().is_ok()
                    && known.freshness(self.invalidated_at(lookup, &known)) != Freshness::Gone
            })
    }

    /// The manager failed to answer: waiters get a stale answer, or the fault.
    fn fail(&self, lookup: &Lookup, fault: &LookupError) -> After {
        let stale = self.answers.get(lookup);
        if let Some(stale) = &stale {
            stale.refresh_failed();
        }
        let invalidated_at = stale
            .as_ref()
            .and_then(|stale| self.invalidated_at(lookup, stale));
        self.lookups.complete(lookup, None, |waiter, only| {
            if !only {
                // Another question is in flight and may succeed.
                return Some(waiter);
            }
            let stale_answer = stale
                .as_ref()
                .and_then(|stale| stale.stale_if_error(waiter.purpose, invalidated_at));
            let _ = waiter
                .reply
                .send(stale_answer.unwrap_or(Err(fault.clone())));
            None
        })
    }
}

/// Serves a waiter; returns it if no use is left, or if it came after an event that invalidates the
/// answer.
fn deal(entry: &CacheEntry, invalidated_at: Option<Instant>, waiter: Waiter) -> Option<Waiter> {
    if waiter.reply.is_closed() {
        return None;
    }
    if invalidated_at.is_some_and(|at| waiter.since >= at) {
        return Some(waiter);
    }
    let Some(answer) = entry.take(waiter.purpose) else {
        return Some(waiter);
    };
    if waiter.reply.send(answer).is_err() {
        entry.give_back(waiter.purpose);
    }
    None
}

/// A lookup in flight. Dropping it before its end counts as a fault, so that no waiter waits for
/// ever.
struct RunningLookup {
    cached: Cached,
    lookup: Lookup,
    asker: Asker,
    completed: bool,
}

impl RunningLookup {
    async fn run(mut self) {
        loop {
            provoked::at(Place::Lookup);
            let asked = Instant::now();
            let answer = self.cached.0.source.ask(&self.lookup, self.asker).await;
            let After { again, more } = self.cached.0.complete(&self.lookup, asked, answer);
            for _ in 0..more {
                self.cached.spawn_lookup(&self.lookup, self.asker);
            }
            if !again {
                self.completed = true;
                return;
            }
        }
    }
}

impl Drop for RunningLookup {
    fn drop(&mut self) {
        if !self.completed {
            let fault = LookupError::Manager(ManagerFault::Unreachable(Cause::Stopping));
            let _ = self.cached.0.fail(&self.lookup, &fault);
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
        self.0.forgotten.note(lookup);
    }

    fn ended(&self, stream: &StreamKey) {
        self.0.ended.note(stream);
    }

    fn published(&self, stream: &StreamKey) {
        self.0.published.note(stream);
        self.0.answers.published(stream);
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
            .field("entries", &self.0.answers.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;
