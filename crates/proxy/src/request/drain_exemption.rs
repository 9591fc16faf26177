//! Exempts an exchange from the drain: a shutdown does not wait for its end.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::task::task_tracker::TaskTrackerToken;

/// Is put into the extensions of an answer whose last frame a drain need not wait for. Cheap to
/// clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct DrainExemption(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    /// Keeps the exchange counted as in flight.
    Counted {
        _in_flight: TaskTrackerToken,
    },
    Released,
}

impl DrainExemption {
    /// Keeps the exchange counted as in flight, until it is released or the last clone is dropped.
    pub(crate) fn hold(&self, in_flight: TaskTrackerToken) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Open) {
            *state = State::Counted {
                _in_flight: in_flight,
            };
        }
    }

    /// The drain does not wait for it from now on.
    pub(crate) fn release(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Released;
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    #[test]
    fn an_exchange_counts_until_it_is_released_or_over() {
        let exchanges = TaskTracker::new();
        let exemption = DrainExemption::default();
        exemption.hold(exchanges.token());
        assert_eq!(exchanges.len(), 1);
        exemption.clone().release();
        assert_eq!(exchanges.len(), 0);
        exemption.hold(exchanges.token());
        assert_eq!(exchanges.len(), 0, "it was released already");
        let exemption = DrainExemption::default();
        exemption.hold(exchanges.token());
        drop(exemption);
        assert_eq!(exchanges.len(), 0);
    }
}
