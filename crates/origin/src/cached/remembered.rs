//! One answer and how long it is good for.
//!
//! | age of a found node | meaning |
//! |---|---|
//! | up to its life | **fresh**: used |
//! | as long again | **aging**: used, while the manager is asked anew |
//! | up to `lookup.stale_for` | **stale**: used only if the manager cannot tell |
//! | more | **gone** |
//!
//! An answer that did not hold (a node refused, the publish ended) is stale at once. One that names
//! the node to play from is used for so many sessions and no more, its nodes in turn, so that
//! viewers spread as the manager wants it.
//!
//! An answer to a publish is never fresh. A publish lookup is more than a question: with it the
//! manager hands the provision of the stream to the nodes that it names (Red5 Pro documentation,
//! Stream Manager 2.0 Streams API). So the manager is asked for each publish, never in the
//! background, and what it said serves outages only.
//!
//! "No such stream" has a life of its own, for players only. It ends when the stream is published
//! through this proxy.

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

/// Time between two attempts to replace an answer while the manager cannot tell.
const RETRY: Duration = Duration::from_millis(500);

/// Time after a publish in which "no such stream" is not remembered. The 101 of a WebSocket comes
/// before its offer, and a manager learns of a stream from the report of its node.
pub(super) const SETTLING: Duration = Duration::from_secs(5);

/// Time for which a fault of the manager counts: after that it may be well again, and is asked
/// before anything stale is used.
pub(super) const LATELY: Duration = Duration::from_secs(2);

/// An answer of the Stream Manager: nodes, or that there are none.
#[derive(Debug)]
pub(super) struct Remembered {
    answer: Result<Candidates, LookupError>,
    role: Role,
    asked: Instant,
    said: Instant,
    life: Duration,
    stale_for: Duration,
    /// Most sessions; unlimited if `None`.
    most: Option<usize>,
    used: AtomicUsize,
    /// When the manager was last asked anew in vain.
    failed_at: Mutex<Option<Instant>>,
}

/// What an answer is good for at a moment.
#[derive(Debug, PartialEq)]
pub(super) enum Recall {
    /// It is used.
    Use(Result<Candidates, LookupError>),
    /// It is used, and the manager should be asked meanwhile.
    UseAndRefresh(Result<Candidates, LookupError>),
    /// The manager has to be asked.
    Ask,
}

/// Whether the manager was asked for something newer in vain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vain {
    No,
    /// It can be asked again, but nobody should wait for it.
    Lately,
    /// It is not asked again yet.
    JustNow,
}

/// The age of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Used.
    Fresh,
    /// Used, while the manager is asked anew.
    Aging,
    /// Used only if the manager cannot tell.
    Stale,
    /// Used no more.
    Gone,
}

impl Remembered {
    /// An answer to what was asked at `asked`: what happened meanwhile it may not know. `published`
    /// is when the stream was last published through here. `None` for what is not worth
    /// remembering: a fault is no answer.
    pub(super) fn new(
        answer: Result<Candidates, LookupError>,
        asked: Instant,
        role: Role,
        published: Option<Instant>,
        config: &config::Lookup,
    ) -> Option<Self> {
        let settles = published.is_some_and(|at| asked.saturating_duration_since(at) < SETTLING);
        let (life, stale_for) = match (&answer, role) {
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
            role,
            asked,
            said: Instant::now(),
            life,
            stale_for,
            most: spread.then_some(config.play_uses),
            used: AtomicUsize::new(0),
            failed_at: Mutex::new(None),
        })
    }

    /// What it is good for now. `over` is when something last happened by which it did not hold.
    pub(super) fn recall(&self, purpose: Purpose, over: Option<Instant>) -> Recall {
        if self.role == Role::Publish {
            return Recall::Ask;
        }
        let freshness = self.freshness(over);
        match (freshness, self.asked_in_vain(over)) {
            (Freshness::Gone, _) | (Freshness::Stale, Vain::No) => Recall::Ask,
            // The manager was asked in vain: nobody waits for that again.
            (Freshness::Stale, Vain::JustNow) => Recall::Use(self.turn(purpose)),
            (Freshness::Stale, Vain::Lately) => Recall::UseAndRefresh(self.turn(purpose)),
            (Freshness::Fresh | Freshness::Aging, vain) => match (self.take(purpose), vain) {
                (None, Vain::No) => Recall::Ask,
                (None, Vain::JustNow) => Recall::Use(self.turn(purpose)),
                (None, Vain::Lately) => Recall::UseAndRefresh(self.turn(purpose)),
                (Some(answer), Vain::JustNow) => Recall::Use(answer),
                (Some(answer), _) if freshness == Freshness::Aging || self.is_nearly_used_up() => {
                    Recall::UseAndRefresh(answer)
                }
                (Some(answer), _) => Recall::Use(answer),
            },
        }
    }

    /// The nodes if there is a use of them left.
    pub(super) fn take(&self, purpose: Purpose) -> Option<Result<Candidates, LookupError>> {
        let most = match (purpose, self.most) {
            (Purpose::Inquiry, _) => return Some(self.peek()),
            (Purpose::Session, most) => most.unwrap_or(usize::MAX),
        };
        let used = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                (used < most).then_some(used + 1)
            });
        used.ok().map(|used| self.turned(used))
    }

    /// Takes back a use that came to nothing.
    pub(super) fn give_back(&self, purpose: Purpose) {
        if purpose == Purpose::Session {
            self.used.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The nodes though the answer is not good any more, because the manager could not tell better.
    pub(super) fn rescue(
        &self,
        purpose: Purpose,
        over: Option<Instant>,
    ) -> Option<Result<Candidates, LookupError>> {
        (self.answer.is_ok() && self.freshness(over) != Freshness::Gone).then(|| self.turn(purpose))
    }

    /// The manager was asked for a newer one in vain.
    pub(super) fn refresh_failed(&self) {
        *self.failed_at() = Some(Instant::now());
    }

    /// How old it is, in words.
    pub(super) fn freshness(&self, over: Option<Instant>) -> Freshness {
        let age = self.said.elapsed();
        let fresh = over.is_none_or(|over| over <= self.asked);
        let renewed = if self.answer.is_ok() {
            self.life
        } else {
            Duration::ZERO
        };
        if fresh && age < self.life {
            Freshness::Fresh
        } else if fresh && age < self.life + renewed {
            Freshness::Aging
        } else if self.answer.is_ok() && age < self.life + self.stale_for {
            Freshness::Stale
        } else {
            Freshness::Gone
        }
    }

    /// When the manager said it.
    pub(super) fn said(&self) -> Instant {
        self.said
    }

    /// When the manager was asked for it: of what happened later it may not know.
    pub(super) fn asked(&self) -> Instant {
        self.asked
    }

    /// The answer, as it was given.
    pub(super) fn answer(&self) -> &Result<Candidates, LookupError> {
        &self.answer
    }

    /// Sessions so far, and how many more there may be.
    pub(super) fn uses(&self) -> (usize, Option<usize>) {
        let used = self.used.load(Ordering::Relaxed);
        (used, self.most.map(|most| most.saturating_sub(used)))
    }

    /// The next in turn, whether there is a use left or not.
    fn turn(&self, purpose: Purpose) -> Result<Candidates, LookupError> {
        match purpose {
            Purpose::Session => self.turned(self.used.fetch_add(1, Ordering::Relaxed)),
            Purpose::Inquiry => self.peek(),
        }
    }

    /// The nodes, without a use.
    fn peek(&self) -> Result<Candidates, LookupError> {
        self.turned(self.used.load(Ordering::Relaxed))
    }

    fn turned(&self, used: usize) -> Result<Candidates, LookupError> {
        let turns = if self.most.is_some() { used } else { 0 };
        self.answer
            .clone()
            .map(|candidates| candidates.turned(turns))
    }

    /// Whether the manager should be asked before somebody has to wait for it.
    pub(super) fn wants_refresh(&self, over: Option<Instant>) -> bool {
        self.asked_in_vain(over) != Vain::JustNow
            && (self.freshness(over) != Freshness::Fresh || self.is_nearly_used_up())
    }

    /// Three quarters: enough are left for those who come until the next answer is there.
    fn is_nearly_used_up(&self) -> bool {
        self.most
            .is_some_and(|most| self.used.load(Ordering::Relaxed) >= most - most / 4)
    }

    /// Whether the manager was asked anew in vain, lately and after whatever happened to this
    /// answer.
    fn asked_in_vain(&self, over: Option<Instant>) -> Vain {
        match *self.failed_at() {
            Some(at) if at.elapsed() < RETRY && over.is_none_or(|over| over <= at) => Vain::JustNow,
            Some(at) if at.elapsed() < LATELY && over.is_none_or(|over| over <= at) => Vain::Lately,
            _ => Vain::No,
        }
    }

    fn failed_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.failed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
