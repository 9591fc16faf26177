//! One answer and how long it is good for.
//!
//! | age of a found node | meaning |
//! |---|---|
//! | up to its life | **fresh**: used |
//! | as long again | **aging**: used, while the manager is asked anew |
//! | up to `lookup.stale_for` | **stale**: used only if the manager cannot tell |
//! | more | **gone** |
//!
//! An answer that did not hold (a node refused, the publish ended) is stale at once. One that names the node to play
//! from is used for so many sessions and no more, its nodes in turn, so that viewers spread as the manager wants it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use whipstitch_signaling::Role;

use crate::{Candidates, LookupError, Purpose, config};

/// Time between two attempts to replace an answer while the manager cannot tell.
const RETRY: Duration = Duration::from_millis(500);

/// An answer of the Stream Manager: nodes, or that there are none.
#[derive(Debug)]
pub(super) struct Remembered {
    answer: Result<Candidates, LookupError>,
    said: Instant,
    life: Duration,
    stale_for: Duration,
    /// Most sessions; unlimited if `None`.
    most: Option<usize>,
    used: AtomicUsize,
    /// Something happened by which it is fresh no more.
    over: AtomicBool,
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
    /// `None` for what is not worth remembering: a fault is no answer.
    pub(super) fn new(
        answer: Result<Candidates, LookupError>,
        role: Role,
        config: &config::Lookup,
    ) -> Option<Self> {
        let (life, stale_for) = match (&answer, role) {
            (Ok(_), Role::Publish) => (config.publish_ttl, config.stale_for),
            (Ok(_), Role::Play) => (config.play_ttl, config.stale_for),
            (Err(LookupError::NotFound(_)), _) => (config.negative_ttl, Duration::ZERO),
            (Err(LookupError::Manager(_) | LookupError::Refused(_) | LookupError::Busy), _) => {
                return None;
            }
        };
        let spread = answer.is_ok() && role == Role::Play;
        Some(Self {
            answer,
            said: Instant::now(),
            life,
            stale_for,
            most: spread.then_some(config.play_uses),
            used: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            failed_at: Mutex::new(None),
        })
    }

    /// What it is good for now. `over` says that it did not hold for a reason that is not noted in it.
    pub(super) fn recall(&self, purpose: Purpose, over: bool) -> Recall {
        let freshness = self.freshness(over);
        let failed = *self.failed_at();
        let failed_lately = failed.is_some_and(|at| at.elapsed() < RETRY);
        match (freshness, failed) {
            (Freshness::Gone, _) | (Freshness::Stale, None) => Recall::Ask,
            // The manager was asked in vain: nobody waits for that again.
            (Freshness::Stale, Some(_)) if failed_lately => Recall::Use(self.turn(purpose)),
            (Freshness::Stale, Some(_)) => Recall::UseAndRefresh(self.turn(purpose)),
            (Freshness::Fresh | Freshness::Aging, _) => match self.take(purpose) {
                None if failed.is_none() => Recall::Ask,
                None if failed_lately => Recall::Use(self.turn(purpose)),
                None => Recall::UseAndRefresh(self.turn(purpose)),
                Some(answer) if failed_lately => Recall::Use(answer),
                Some(answer) if freshness == Freshness::Aging || self.is_nearly_used_up() => {
                    Recall::UseAndRefresh(answer)
                }
                Some(answer) => Recall::Use(answer),
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
        over: bool,
    ) -> Option<Result<Candidates, LookupError>> {
        (self.answer.is_ok() && self.freshness(over) != Freshness::Gone).then(|| self.turn(purpose))
    }

    /// It did not hold.
    pub(super) fn is_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// The manager was asked for a newer one in vain.
    pub(super) fn refresh_failed(&self) {
        *self.failed_at() = Some(Instant::now());
    }

    /// How old it is, in words.
    pub(super) fn freshness(&self, over: bool) -> Freshness {
        let age = self.said.elapsed();
        let fresh = !over && !self.over.load(Ordering::Relaxed);
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
    pub(super) fn wants_refresh(&self, over: bool) -> bool {
        let failed_lately = self.failed_at().is_some_and(|at| at.elapsed() < RETRY);
        !failed_lately && (self.freshness(over) != Freshness::Fresh || self.is_nearly_used_up())
    }

    /// Three quarters: enough are left for those who come until the next answer is there.
    fn is_nearly_used_up(&self) -> bool {
        self.most
            .is_some_and(|most| self.used.load(Ordering::Relaxed) >= most - most / 4)
    }

    fn failed_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.failed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
