//! What came of the attempts to begin a session, for the verdict and the status page.

use prometheus::{Histogram, core::Metric};

/// Upper bounds of the buckets of durations, in seconds.
pub const DURATION_BOUNDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// POSTs to WHIP and WHEP endpoints, and handshakes of WebSockets, since the start or between two
/// moments. Those whose client left are not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempted {
    /// Those with a session, or a counter-offer.
    pub made: u64,
    /// Those that were answered with 3xx or 4xx: the client has to do something else.
    pub refused: u64,
    /// Those that were answered with 5xx.
    pub failed: u64,
    /// Requests to the same URLs that took at most each of [`DURATION_BOUNDS`].
    pub within: [u64; DURATION_BOUNDS.len()],
    /// All of these requests.
    pub timed: u64,
}

impl Attempted {
    /// All attempts.
    pub fn all(&self) -> u64 {
        self.made + self.refused + self.failed
    }

    /// What was added since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut within = self.within;
        for (now, then) in within.iter_mut().zip(earlier.within) {
            *now = now.saturating_sub(then);
        }
        Self {
            made: self.made.saturating_sub(earlier.made),
            refused: self.refused.saturating_sub(earlier.refused),
            failed: self.failed.saturating_sub(earlier.failed),
            within,
            timed: self.timed.saturating_sub(earlier.timed),
        }
    }

    /// Share of failed attempts; `None` without any.
    #[expect(clippy::cast_precision_loss, reason = "a share, to a few digits")]
    pub fn failed_share(&self) -> Option<f64> {
        (self.all() > 0).then(|| self.failed as f64 / self.all() as f64)
    }

    /// The duration, in seconds, within which this share of the requests was answered:
    /// interpolated in its bucket, as Prometheus does; the last bound if it was longer. `None`
    /// without any request.
    #[expect(clippy::cast_precision_loss, reason = "a duration, to a few digits")]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = share * self.timed as f64;
        let (mut below, mut lower) = (0, 0.0);
        for (upper, within) in DURATION_BOUNDS.into_iter().zip(self.within) {
            if within > 0 && within as f64 >= rank {
                let part = (rank - below as f64) / (within - below) as f64;
                return Some(lower + (upper - lower) * part.clamp(0.0, 1.0));
            }
            (below, lower) = (within, upper);
        }
        (self.timed > 0).then_some(lower)
    }

    pub(super) fn took(&mut self, durations: &Histogram) {
        let metric = durations.metric();
        let histogram = metric.get_histogram();
        for (sum, bucket) in self.within.iter_mut().zip(histogram.get_bucket()) {
            *sum += bucket.cumulative_count();
        }
        self.timed += histogram.get_sample_count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated_and_bounded() {
        let mut all = Attempted::default();
        assert_eq!((all.quantile(0.5), all.failed_share()), (None, None));
        // Ten requests between 10 and 25 ms, and one of a minute.
        all.within = [0, 0, 0, 0, 10, 10, 10, 10, 10, 10, 10, 10, 10];
        all.timed = 11;
        let half = all.quantile(0.5).unwrap();
        assert!((0.018..0.0185).contains(&half), "{half}");
        assert_eq!(all.quantile(0.99), Some(10.0));
    }

    #[test]
    fn a_difference_counts_only_what_came_later() {
        let earlier = Attempted {
            made: 5,
            failed: 1,
            timed: 6,
            ..Attempted::default()
        };
        let now = Attempted {
            made: 6,
            failed: 4,
            timed: 10,
            ..earlier
        };
        let between = now.since(&earlier);
        assert_eq!((between.all(), between.timed), (4, 4));
        assert_eq!(between.failed_share(), Some(0.75));
    }
}
