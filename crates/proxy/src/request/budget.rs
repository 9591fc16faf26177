//! The time that one request may take of the Stream Manager and the nodes together.

use std::time::Duration;

use tokio::time::{Instant, timeout};

/// The rest of that time. The client's own slowness does not use it up.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Duration,
    /// The part that went to waits on this proxy itself, for which no node is blamed.
    ours: Duration,
    /// A node that did not answer within less than this is not blamed.
    fair: Duration,
}

impl Budget {
    /// All of it; a connection may take `connect` of it.
    pub(crate) fn new(whole: Duration, connect: Duration) -> Self {
        Self {
            left: whole,
            ours: Duration::ZERO,
            fair: connect.min(whole / 2),
        }
    }

    /// The part of a node begins.
    pub(crate) const fn begins(&self) -> Began {
        Began {
            left: self.left,
            ours: self.ours,
        }
    }

    /// Whether a node whose part began then has had enough time by now to be blamed for not
    /// answering: as much as a connection may take, or half of the whole. A node that came after a
    /// slow lookup, or last of many, may have had next to nothing; and the time spent on this proxy
    /// itself was not the node's.
    pub(crate) fn was_fair(&self, began: Began) -> bool {
        let spent = began.left.saturating_sub(self.left);
        let ours = self.ours.saturating_sub(began.ours);
        spent.saturating_sub(ours) >= self.fair
    }

    #[cfg(test)]
    pub(crate) const fn left(&self) -> Duration {
        self.left
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.left.is_zero()
    }

    pub(crate) fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// The output of `work`, whose time is paid; `None` if the budget ends before it.
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

    /// The same, where `work` is this proxy's and not the node's.
    pub(crate) async fn pay_ourselves<W: Future>(&mut self, work: W) -> Option<W::Output> {
        let before = self.left;
        let done = self.pay(work).await;
        self.ours += before.saturating_sub(self.left);
        done
    }
}

/// What was left of a budget at some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Began {
    left: Duration,
    ours: Duration,
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
            let began = budget.begins();
            budget.spend(seconds(spent));
            assert_eq!(budget.was_fair(began), fair, "{spent} of {connect}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_blamed_for_what_we_waited_for_ourselves() {
        let mut budget = Budget::new(Duration::from_secs(4), Duration::from_secs(1));
        let first = budget.begins();
        let wait = sleep(Duration::from_secs(1));
        assert!(budget.pay_ourselves(wait).await.is_some() && !budget.was_fair(first));
        budget.spend(Duration::from_secs(1));
        assert!(budget.was_fair(first));
        let second = budget.begins();
        let wait = sleep(Duration::from_secs(3));
        assert!(budget.pay_ourselves(wait).await.is_none() && budget.is_over());
        assert!(!budget.was_fair(second) && budget.was_fair(first));
    }
}
