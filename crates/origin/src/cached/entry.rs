//! One cached answer: how long it is fresh, and how often it may be used.
//!
//! | age of an answer with nodes | state (RFC 5861) | served |
//! |---|---|---|
//! | up to its TTL | **fresh** | yes |
//! | up to twice its TTL | **aging**: stale-while-revalidate | yes, and the manager is asked in the background |
//! | up to `lookup.stale_for` past its TTL | **stale**: stale-if-error | only if the manager cannot answer |
//! | older | **gone** | no |
//!
//! An answer that was invalidated (a node failed, the publish ended) is stale at once. An answer to
//! play has a maximum number of uses, and its nodes rotate, so that viewers spread over the nodes
//! as the manager wants it.
//!
//! An answer to a publish is never fresh. A publish lookup has a side effect: the manager forwards
//! the provision of the stream to the nodes that it names (Red5 Pro documentation, Stream Manager
//! 2.0 Streams API). So each publish asks the manager, never in the background, and the cached
//! answer serves outages only.
//!
//! "No such stream" has a TTL of its own, for players only. A publish through this proxy ends it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use whipstitch_signaling::Role;

use crate::{Candidates, LookupError, Purpose, config};

/// Time between two attempts to revalidate an answer while the manager is failing.
const RETRY: Duration = Duration::from_millis(500);

/// Time after a publish in which "no such stream" is not cached. The 101 of a WebSocket comes
/// before its offer, and the manager learns of a stream only from a report of its node.
pub(super) const SETTLING: Duration = Duration::from_secs(5);

/// Time after a failed lookup in which stale answers are served without waiting for the manager.
/// Later it may have recovered, and is asked first.
pub(super) const RECENT: Duration = Duration::from_secs(2);

/// A cached answer of the Stream Manager: nodes, or "no such stream".
#[derive(Debug)]
pub(super) struct CacheEntry {
    answer: Result<Candidates, LookupError>,
    asked: Instant,
    answered_at: Instant,
    ttl: Duration,
    stale_for: Duration,
    /// Maximum number of sessions; unlimited if `None`.
    max_uses: Option<usize>,
    used: AtomicUsize,
    /// When a revalidation last failed.
    failed_at: Mutex<Option<Instant>>,
}

/// The result of reading the cache.
#[derive(Debug, PartialEq)]
pub(super) enum CacheRead {
    /// Serve this answer.
    Hit(Result<Candidates, LookupError>),
    /// Serve this answer, and ask the manager in the background.
    HitRevalidate(Result<Candidates, LookupError>),
    /// Wait for the manager.
    Miss,
}

/// Whether the last revalidation failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failed {
    No,
    /// Retry in the background; no caller waits for it.
    Recently,
    /// Do not retry yet.
    JustNow,
}

/// The state of an answer by its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Served.
    Fresh,
    /// Served while the manager is asked in the background.
    Aging,
    /// Served only if the manager cannot answer.
    Stale,
    /// Not served.
    Gone,
}

impl CacheEntry {
    /// The answer to a lookup that was sent at `asked`; it may not reflect later events.
    /// `published` is when the stream was last published through this proxy. `None` for a fault,
    /// which is not cached.
    pub(super) fn new(
        answer: Result<Candidates, LookupError>,
        asked: Instant,
        role: Role,
        published: Option<Instant>,
        config: &config::Lookup,
    ) -> Option<Self> {
        let settles = published.is_some_and(|at| asked.saturating_duration_since(at) < SETTLING);
        let (ttl, stale_for) = match (&answer, role) {
            (Ok(_), Role::Publish) => (Duration::ZERO, config.stale_for),
            (Ok(_), Role::Play) => (config.play_ttl, config.stale_for),
            (Err(LookupError::NotFound(_)), Role::Play) if !settles => {
                (config.negative_ttl, Duration::ZERO)
            }
            (Err(LookupError::NotFound(_)), _) => (Duration::ZERO, Duration::ZERO),
            (Err(LookupError::Manager(_) | LookupError::Refused(_) | LookupError::Busy), _) => {
                return None;
            }
        };
        let spread = answer.is_ok() && role == Role::Play;
        Some(Self {
            answer,
            asked,
            answered_at: Instant::now(),
            ttl,
            stale_for,
            max_uses: spread.then_some(config.play_uses),
            used: AtomicUsize::new(0),
            failed_at: Mutex::new(None),
        })
    }

    /// Reads the answer. `invalidated_at` is the last event that invalidates it, if there was one.
    pub(super) fn read(&self, purpose: Purpose, invalidated_at: Option<Instant>) -> CacheRead {
        let freshness = self.freshness(invalidated_at);
        match (freshness, self.refresh_failure(invalidated_at)) {
            (Freshness::Gone, _) | (Freshness::Stale, Failed::No) => CacheRead::Miss,
            // The manager is failing: no caller waits for it again.
            (Freshness::Stale, Failed::JustNow) => CacheRead::Hit(self.next(purpose)),
            (Freshness::Stale, Failed::Recently) => CacheRead::HitRevalidate(self.next(purpose)),
            (Freshness::Fresh | Freshness::Aging, failed) => match (self.take(purpose), failed) {
                (None, Failed::No) => CacheRead::Miss,
                (None, Failed::JustNow) => CacheRead::Hit(self.next(purpose)),
                (None, Failed::Recently) => CacheRead::HitRevalidate(self.next(purpose)),
                (Some(answer), Failed::JustNow) => CacheRead::Hit(answer),
                (Some(answer), _) if freshness == Freshness::Aging || self.is_nearly_used_up() => {
                    CacheRead::HitRevalidate(answer)
                }
                (Some(answer), _) => CacheRead::Hit(answer),
            },
        }
    }

    /// Counts one use and returns the nodes; `None` if all uses are taken.
    pub(super) fn take(&self, purpose: Purpose) -> Option<Result<Candidates, LookupError>> {
        let max_uses = match (purpose, self.max_uses) {
            (Purpose::Inquiry, _) => return Some(self.peek()),
            (Purpose::Session, max_uses) => max_uses.unwrap_or(usize::MAX),
        };
        let used = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                (used < max_uses).then_some(used + 1)
            });
        used.ok().map(|used| self.rotated(used))
    }

    /// Returns a use that no session needed.
    pub(super) fn give_back(&self, purpose: Purpose) {
        if purpose == Purpose::Session {
            self.used.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The stale nodes, because the manager failed to answer (RFC 5861, stale-if-error).
    pub(super) fn stale_if_error(
        &self,
        purpose: Purpose,
        invalidated_at: Option<Instant>,
    ) -> Option<Result<Candidates, LookupError>> {
        (self.answer.is_ok() && self.freshness(invalidated_at) != Freshness::Gone)
            .then(|| self.next(purpose))
    }

    /// Notes that a revalidation failed.
    pub(super) fn refresh_failed(&self) {
        *self.failed_at() = Some(Instant::now());
    }

    /// The state of the answer by its age.
    pub(super) fn freshness(&self, invalidated_at: Option<Instant>) -> Freshness {
        let age = self.answered_at.elapsed();
        let fresh = invalidated_at.is_none_or(|at| at <= self.asked);
        let renewed = if self.answer.is_ok() {
            self.ttl
        } else {
            Duration::ZERO
        };
        if fresh && age < self.ttl {
            Freshness::Fresh
        } else if fresh && age < self.ttl + renewed {
            Freshness::Aging
        } else if self.answer.is_ok() && age < self.ttl + self.stale_for {
            Freshness::Stale
        } else {
            Freshness::Gone
        }
    }

    /// When the answer arrived.
    pub(super) fn answered_at(&self) -> Instant {
        self.answered_at
    }

    /// When the lookup was sent; the answer may not reflect later events.
    pub(super) fn asked(&self) -> Instant {
        self.asked
    }

    /// The answer as the manager gave it.
    pub(super) fn answer(&self) -> &Result<Candidates, LookupError> {
        &self.answer
    }

    /// Uses so far, and uses left.
    pub(super) fn uses(&self) -> (usize, Option<usize>) {
        let used = self.used.load(Ordering::Relaxed);
        (used, self.max_uses.map(|max| max.saturating_sub(used)))
    }

    /// The nodes for the next use, even if all uses are taken.
    fn next(&self, purpose: Purpose) -> Result<Candidates, LookupError> {
        match purpose {
            Purpose::Session => self.rotated(self.used.fetch_add(1, Ordering::Relaxed)),
            Purpose::Inquiry => self.peek(),
        }
    }

    /// The nodes, without counting a use.
    fn peek(&self) -> Result<Candidates, LookupError> {
        self.rotated(self.used.load(Ordering::Relaxed))
    }

    fn rotated(&self, used: usize) -> Result<Candidates, LookupError> {
        let turns = if self.max_uses.is_some() { used } else { 0 };
        self.answer
            .clone()
            .map(|candidates| candidates.rotated(turns))
    }

    /// Whether to ask the manager now, before a caller has to wait for it.
    pub(super) fn needs_revalidation(&self, invalidated_at: Option<Instant>) -> bool {
        self.refresh_failure(invalidated_at) != Failed::JustNow
            && (self.freshness(invalidated_at) != Freshness::Fresh || self.is_nearly_used_up())
    }

    /// Three quarters: the rest covers the callers until the next answer arrives.
    fn is_nearly_used_up(&self) -> bool {
        self.max_uses
            .is_some_and(|max| self.used.load(Ordering::Relaxed) >= max - max / 4)
    }

    /// Whether a revalidation failed recently, and after the last event that invalidates this
    /// answer.
    fn refresh_failure(&self, invalidated_at: Option<Instant>) -> Failed {
        match *self.failed_at() {
            Some(at)
                if at.elapsed() < RETRY
                    && invalidated_at.is_none_or(|invalidated| invalidated <= at) =>
            {
                Failed::JustNow
            }
            Some(at)
                if at.elapsed() < RECENT
                    && invalidated_at.is_none_or(|invalidated| invalidated <= at) =>
            {
                Failed::Recently
            }
            _ => Failed::No,
        }
    }

    fn failed_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.failed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
