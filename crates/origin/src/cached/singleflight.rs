//! Single flight: concurrent callers of one lookup share the question to the manager.
//!
//! The question runs on a task of its own. In a caller's future it would be cancelled when that
//! caller hangs up, and the next waiter would start from the beginning. An answer with a maximum
//! number of uses serves that many waiters; for the others further questions run, several at once
//! if many wait.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ahash::RandomState;
use tokio::{sync::oneshot, time::Instant};

use crate::{Candidates, Lookup, LookupError, Purpose};

/// Maximum number of lookups in shared. A lookup outlives callers that hang up, so the limit of
/// requests does not bound it. Players of one stream can be in many networks, each with a lookup of
/// its own.
pub(super) const MAX_LOOKUPS: usize = 4096;
/// Maximum number of waiters for one lookup.
const MAX_WAITERS: usize = 16_384;
/// Maximum number of concurrent questions for one lookup.
pub(super) const MAX_PARALLEL: usize = 16;

/// The answer that a waiter gets.
pub(super) type Reply = Result<Candidates, LookupError>;

/// A caller that waits for an answer.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) purpose: Purpose,
    pub(super) since: Instant,
    pub(super) reply: oneshot::Sender<Reply>,
}

impl Waiter {
    pub(super) fn new(purpose: Purpose, reply: oneshot::Sender<Reply>) -> Self {
        let since = Instant::now();
        Self {
            purpose,
            since,
            reply,
        }
    }
}

/// Why the manager is asked.
#[derive(Debug)]
pub(super) enum Request {
    /// A caller waits for the answer.
    Wait(Waiter),
    /// The cached answer is close to its end.
    Revalidate,
}

/// All lookups in shared.
#[derive(Debug, Default)]
pub(super) struct SingleFlight(Mutex<InFlights>);

type InFlights = HashMap<Lookup, InFlight, RandomState>;

#[derive(Debug)]
struct InFlight {
    /// Questions in shared.
    questions: usize,
    waiters: VecDeque<Waiter>,
}

impl Request {
    fn waiter(self) -> Option<Waiter> {
        match self {
            Self::Wait(waiter) => Some(waiter),
            Self::Revalidate => None,
        }
    }
}

/// The result of joining a lookup.
#[derive(Debug)]
pub(super) enum Join {
    /// A question is in flight: wait for it.
    Joined,
    /// This request is the leader: it has to start the lookup.
    Leader,
    /// The answer arrived meanwhile, and the request is served.
    Served,
    /// A limit is reached.
    Full,
}

/// What the task of a lookup does after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct After {
    /// Ask once more.
    pub(super) again: bool,
    /// Start this many further questions.
    pub(super) more: usize,
}

impl SingleFlight {
    /// Adds a request to the lookup in flight, or makes it the leader of a new one. `recheck` reads
    /// the cache again under the lock, because an answer may have arrived since the caller's read;
    /// it returns the request if that does not serve it.
    pub(super) fn join(
        &self,
        lookup: &Lookup,
        request: Request,
        recheck: impl FnOnce(Request) -> Option<Request>,
    ) -> Join {
        let mut lookups = self.lock();
        if let Some(shared) = lookups.get_mut(lookup) {
            if shared.waiters.len() >= MAX_WAITERS {
                return Join::Full;
            }
            shared.waiters.extend(request.waiter());
            return Join::Joined;
        }
        let Some(request) = recheck(request) else {
            return Join::Served;
        };
        if lookups.len() >= MAX_LOOKUPS {
            return Join::Full;
        }
        let shared = InFlight {
            questions: 1,
            waiters: request.waiter().into_iter().collect(),
        };
        lookups.insert(lookup.clone(), shared);
        Join::Leader
    }

    /// Completes one question. `serve` answers a waiter, or returns it if the answer does not serve
    /// it; then it and the waiters behind it stay, and `each` is how many waiters one answer can
    /// serve. The second argument of `serve` is whether this is the only question in shared.
    pub(super) fn complete(
        &self,
        lookup: &Lookup,
        each: Option<usize>,
        mut serve: impl FnMut(Waiter, bool) -> Option<Waiter>,
    ) -> After {
        let mut lookups = self.lock();
        let Some(shared) = lookups.get_mut(lookup) else {
            return After {
                again: false,
                more: 0,
            };
        };
        let only = shared.questions == 1;
        while let Some(waiter) = shared.waiters.pop_front() {
            if let Some(waiter) = serve(waiter, only) {
                shared.waiters.push_front(waiter);
                break;
            }
        }
        let waiting = shared.waiters.len();
        let wanted = waiting
            .div_ceil(each.unwrap_or(waiting).max(1))
            .min(MAX_PARALLEL);
        // This question is done unless it is asked again.
        let others = shared.questions - 1;
        let again = wanted > others;
        let more = wanted.saturating_sub(others + 1);
        shared.questions = others + usize::from(again) + more;
        if shared.questions == 0 {
            lookups.remove(lookup);
        }
        After { again, more }
    }

    /// How many lookups are in shared.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, InFlights> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
