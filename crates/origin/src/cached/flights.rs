//! Questions under way, and who waits for each.
//!
//! A question runs on a task of its own, not in a caller's future: callers that hang up would
//! otherwise take it with them, and the next in line would start anew. An answer that is good for
//! so many sessions is dealt to so many callers; for the rest further questions go out, several at
//! once if many wait.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::oneshot, time::Instant};

use crate::{Candidates, Lookup, LookupError, Purpose};

/// Most lookups under way at once. Callers that hang up leave theirs behind, so the limit of
/// requests is none here. The players of one stream can be of many networks, each with a lookup of
/// its own.
pub(super) const MAX_FLIGHTS: usize = 4096;
/// Most callers that wait for one lookup.
const MAX_CALLERS: usize = 16_384;
/// Most questions at once for one lookup.
pub(super) const MAX_PARALLEL: usize = 16;

/// What becomes of a caller.
pub(super) type Reply = Result<Candidates, LookupError>;

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) purpose: Purpose,
    pub(super) since: Instant,
    pub(super) reply: oneshot::Sender<Reply>,
}

impl Caller {
    pub(super) fn new(purpose: Purpose, reply: oneshot::Sender<Reply>) -> Self {
        let since = Instant::now();
        Self {
            purpose,
            since,
            reply,
        }
    }
}

/// Why a question is asked.
#[derive(Debug)]
pub(super) enum Passenger {
    /// Somebody waits for the answer.
    Caller(Caller),
    /// The answer that there is will be over soon.
    Refresh,
}

/// Every lookup under way.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Lookup, Flight>>);

#[derive(Debug)]
struct Flight {
    /// Questions under way.
    questions: usize,
    callers: VecDeque<Caller>,
}

impl Passenger {
    fn caller(self) -> Option<Caller> {
        match self {
            Self::Caller(caller) => Some(caller),
            Self::Refresh => None,
        }
    }
}

/// How a caller fared who wants to wait.
#[derive(Debug)]
pub(super) enum Boarding {
    /// A question is under way.
    Joined,
    /// One has to be asked: this caller is the first.
    Depart,
    /// What the caller wants came in meanwhile.
    NotNeeded,
    /// Too many are under way, or wait.
    Full,
}

/// What has to be done after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct After {
    /// This question has to be asked once more.
    pub(super) again: bool,
    /// So many others beside it.
    pub(super) more: usize,
}

impl Flights {
    /// Adds a caller to the question under way, or says that one has to be asked. `recheck` keeps
    /// whom an answer serves that came between the look at what is remembered and this call.
    pub(super) fn board(
        &self,
        lookup: &Lookup,
        passenger: Passenger,
        recheck: impl FnOnce(Passenger) -> Option<Passenger>,
    ) -> Boarding {
        let mut flights = self.lock();
        if let Some(flight) = flights.get_mut(lookup) {
            if flight.callers.len() >= MAX_CALLERS {
                return Boarding::Full;
            }
            flight.callers.extend(passenger.caller());
            return Boarding::Joined;
        }
        let Some(passenger) = recheck(passenger) else {
            return Boarding::NotNeeded;
        };
        if flights.len() >= MAX_FLIGHTS {
            return Boarding::Full;
        }
        let flight = Flight {
            questions: 1,
            callers: passenger.caller().into_iter().collect(),
        };
        flights.insert(lookup.clone(), flight);
        Boarding::Depart
    }

    /// Deals an answer. `serve` gives a caller what it waits for, or gives it back when there is
    /// nothing for it; then it and the next ones stay, and `each` says how many an answer serves.
    /// It is told whether this question is the only one.
    pub(super) fn land(
        &self,
        lookup: &Lookup,
        each: Option<usize>,
        mut serve: impl FnMut(Caller, bool) -> Option<Caller>,
    ) -> After {
        let mut flights = self.lock();
        let Some(flight) = flights.get_mut(lookup) else {
            return After {
                again: false,
                more: 0,
            };
        };
        let only = flight.questions == 1;
        while let Some(caller) = flight.callers.pop_front() {
            if let Some(caller) = serve(caller, only) {
                flight.callers.push_front(caller);
                break;
            }
        }
        let waiting = flight.callers.len();
        let wanted = waiting
            .div_ceil(each.unwrap_or(waiting).max(1))
            .min(MAX_PARALLEL);
        // This one is over unless it is asked again.
        let others = flight.questions - 1;
        let again = wanted > others;
        let more = wanted.saturating_sub(others + 1);
        flight.questions = others + usize::from(again) + more;
        if flight.questions == 0 {
            flights.remove(lookup);
        }
        After { again, more }
    }

    /// How many lookups are under way.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Lookup, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
