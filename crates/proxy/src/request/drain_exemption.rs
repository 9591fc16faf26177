//! The end of an exchange for which nobody waits.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::task::task_tracker::TaskTrackerToken;

/// Put into the extensions of an answer whose exchange may be let go before its last frame has
/// left. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    /// What is on as long as the exchange counts as one under way.
    Counted {
        _as: TaskTrackerToken,
    },
    Over,
}

impl Ending {
    /// The exchange counts by this, until it is let go or nobody has this any more.
    pub(crate) fn counts(&self, under_way: TaskTrackerToken) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Open) {
            *state = State::Counted { _as: under_way };
        }
    }

    /// Nobody waits for it from now on.
    pub(crate) fn let_go(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Over;
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    #[test]
    fn an_exchange_counts_until_it_is_let_go_or_over() {
        let exchanges = TaskTracker::new();
        let ending = Ending::default();
        ending.counts(exchanges.token());
        assert_eq!(exchanges.len(), 1);
        ending.clone().let_go();
        assert_eq!(exchanges.len(), 0);
        ending.counts(exchanges.token());
        assert_eq!(exchanges.len(), 0, "it came too late to count");
        let ending = Ending::default();
        ending.counts(exchanges.token());
        drop(ending);
        assert_eq!(exchanges.len(), 0);
    }
}
