//! Where the time of an exchange goes, recorded once by each wait: the TLS handshake before it, the
//! lookup, the connection to the node, and the wait for the first byte of its answer.
//!
//! Recorded under an uncontended lock, without an allocation. The time between two phases is
//! our own time, or the client's.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// One wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phase {
    /// When it began.
    pub(crate) began: Instant,
    /// How long it was.
    pub(crate) took: Duration,
}

impl Phase {
    /// From then until now.
    pub(crate) fn since(began: Instant) -> Self {
        Self::between(began, Instant::now())
    }

    /// From one moment to another.
    pub(crate) fn between(began: Instant, ended: Instant) -> Self {
        Self {
            began,
            took: ended.saturating_duration_since(began),
        }
    }

    /// For a line of the log.
    pub(crate) fn micros(self) -> u64 {
        u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX)
    }
}

/// What is known of the phases of one exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// The handshake of the client's connection; only in the first exchange of a connection, and
    /// over before that began.
    pub(crate) tls: Option<Phase>,
    /// From the first question about the stream, all questions together.
    pub(crate) lookup: Option<Phase>,
    /// The wait for a new connection to the node that was tried last, even if it failed.
    pub(crate) connect: Option<Phase>,
    /// From the connection to the node that was tried last, or to the Stream Manager, to the header
    /// of its answer.
    pub(crate) first_byte: Option<Phase>,
}

/// The phases of one exchange so far.
#[derive(Debug, Default)]
pub(crate) struct Phases(Mutex<Times>);

impl Phases {
    /// The client's handshake is over.
    pub(crate) fn tls(&self, phase: Phase) {
        self.lock().tls = Some(phase);
    }

    /// A question about the stream was answered, or was not. Further ones add to it.
    pub(crate) fn lookup(&self, phase: Phase) {
        self.lock()
            .lookup
            .get_or_insert(Phase {
                took: Duration::ZERO,
                ..phase
            })
            .took += phase.took;
    }

    /// The next node is tried: what the one before took is over.
    pub(crate) fn next_try(&self) {
        let mut times = self.lock();
        times.connect = None;
        times.first_byte = None;
    }

    /// There is a connection, or there will be none.
    pub(crate) fn connect(&self, phase: Phase) {
        self.lock().connect = Some(phase);
    }

    /// The header of the answer is there.
    pub(crate) fn first_byte(&self, phase: Phase) {
        self.lock().first_byte = Some(phase);
    }

    /// What is known by now.
    pub(crate) fn times(&self) -> Times {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn lookups_add_up_and_of_the_tries_the_last_one_counts() {
        let (phases, began) = (Phases::default(), Instant::now());
        let at =
            |start: u32, end: u32| Phase::between(began + SECOND * start, began + SECOND * end);
        phases.tls(at(0, 1));
        phases.lookup(at(1, 2));
        phases.connect(at(2, 4));
        phases.lookup(at(4, 7));
        phases.next_try();
        assert_eq!(phases.times().connect, None);
        phases.connect(at(7, 8));
        phases.first_byte(at(8, 10));
        let times = phases.times();
        assert_eq!(times.lookup, Some(at(1, 5)));
        assert_eq!((times.tls, times.connect), (Some(at(0, 1)), Some(at(7, 8))));
        assert_eq!(times.first_byte.map(Phase::micros), Some(2_000_000));
        phases.next_try();
        assert_eq!(
            (phases.times().connect, phases.times().first_byte),
            (None, None)
        );
        assert!(phases.times().lookup.is_some());
    }
}
