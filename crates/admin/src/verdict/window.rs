//! What came of the attempts of the last minute, and of the last 15 minutes.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use whipstitch_proxy::metrics::Attempted;

use crate::history;

/// What the verdict looks at.
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
/// What the page shows besides.
pub(crate) const QUARTER: Duration = Duration::from_mins(15);

/// Counters at each step of the history, for [`QUARTER`].
pub(super) struct Window(Mutex<VecDeque<(Instant, Attempted)>>);

impl Window {
    /// Begins with these counters.
    pub(super) fn new(counted: Attempted) -> Self {
        Self(Mutex::new(VecDeque::from([(Instant::now(), counted)])))
    }

    /// Keeps the counters of this moment, and drops those that no span needs.
    pub(super) fn sample(&self, counted: Attempted) {
        let (mut samples, now) = (self.lock(), Instant::now());
        while samples
            .front()
            .is_some_and(|(at, _)| now - *at > QUARTER + history::STEP)
        {
            samples.pop_front();
        }
        samples.push_back((now, counted));
    }

    /// What was counted in this span, to one step of the history; since the start, if that was
    /// later.
    pub(super) fn since(&self, span: Duration, counted: &Attempted) -> Attempted {
        let (samples, now) = (self.lock(), Instant::now());
        let before = samples.partition_point(|(at, _)| now - *at >= span);
        match samples.get(before.saturating_sub(1)) {
            Some((_, earlier)) => counted.since(earlier),
            None => *counted,
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, Attempted)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(failed: u64) -> Attempted {
        Attempted {
            failed,
            ..Attempted::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_counts_for_a_minute_and_is_kept_for_a_quarter_of_an_hour() {
        let window = Window::new(failed(2));
        let now = failed(5);
        assert_eq!(window.since(MINUTE, &now).failed, 3);
        let mut steps = 0;
        while window.since(MINUTE, &now).failed > 0 {
            tokio::time::advance(history::STEP).await;
            window.sample(now);
            steps += 1;
        }
        assert_eq!(history::STEP * steps, MINUTE + history::STEP);
        assert_eq!(window.since(QUARTER, &now).failed, 3);
        for _ in 0..180 {
            tokio::time::advance(history::STEP).await;
            window.sample(now);
        }
        assert_eq!(window.since(QUARTER, &now).failed, 0);
        assert!(window.lock().len() <= 182);
    }
}
