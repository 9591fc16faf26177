//! The time that one request may take of the Stream Manager and the nodes together.

use std::time::Duration;

use tokio::time::{Instant, timeout};

/// What is left of it. The client's own slowness is not taken from it.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Duration,
    /// Less than this says nothing about whoever did not answer within it.
    fair: Duration,
}

impl Budget {
    /// All of it, of which a connection may take that much.
    pub(crate) fn new(whole: Duration, connect: Duration) -> Self {
        Self {
            left: whole,
            fair: connect.min(whole / 2),
        }
    }

    /// Whether somebody who began with this much `left` has had enough of it by now to be blamed for not answering: as
    /// much as a connection may take, or half of the whole. Who came after a slow lookup, or last of many, may have had
    /// next to nothing.
    pub(crate) fn was_fair(&self, left: Duration) -> bool {
        left.saturating_sub(self.left) >= self.fair
    }

    pub(crate) const fn left(&self) -> Duration {
        self.left
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.left.is_zero()
    }

    pub(crate) fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// What comes of `work`, which is paid for; `None` if the budget ends before it.
    pub(crate) async fn pay<W: Future>(&mut self, work: W) -> Option<W::Output> {
        let began = Instant::now();
        let done = timeout(self.left, work).await;
        match done {
            Ok(_) => self.spend(began.elapsed()),
            // To the last bit: a timer may ring a millisecond late, never early.
            Err(_) => self.left = Duration::ZERO,
        }
        done.ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_that_is_paid_for_comes_out_of_one_purse() {
        let mut budget = Budget::new(Duration::from_secs(6), Duration::from_secs(2));
        assert_eq!(budget.pay(sleep(Duration::from_secs(2))).await, Some(()));
        budget.spend(Duration::from_secs(3));
        assert!(!budget.is_over() && budget.left() <= Duration::from_secs(1));
        let began = Instant::now();
        assert_eq!(budget.pay(sleep(Duration::from_secs(2))).await, None);
        assert!(budget.is_over() && began.elapsed() <= Duration::from_millis(1002));
    }

    #[tokio::test(start_paused = true)]
    async fn who_had_hardly_any_time_is_not_blamed() {
        let seconds = Duration::from_secs;
        for (connect, spent, fair) in [(2, 1, false), (2, 2, true), (10, 2, false), (10, 3, true)] {
            let mut budget = Budget::new(seconds(6), seconds(connect));
            let left = budget.left();
            budget.spend(seconds(spent));
            assert_eq!(budget.was_fair(left), fair, "{spent} of {connect}");
        }
    }
}
