//! How long something takes, as a few counts: enough to say what is usual and what is slow.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Bounds of the counts double from a quarter of a millisecond to more than eight seconds.
const BOUNDS: usize = 16;
/// The first of them.
const FIRST: Duration = Duration::from_micros(250);
/// At this number all counts are halved, so that what was long ago weighs less and less.
const ENOUGH: u32 = 1_000;

/// Times, counted by their order of magnitude.
#[derive(Debug, Default)]
pub struct Latency {
    /// Up to each bound, and the last for everything beyond.
    counts: [AtomicU32; BOUNDS + 1],
}

impl Latency {
    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let place = bounds().take_while(|bound| took > *bound).count();
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // Two who find it full at once may halve it twice, which changes no quantile.
        if self.total() >= ENOUGH {
            for count in &self.counts {
                count.store(count.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
            }
        }
    }

    /// The time within which this part of them (0.5: one half) was over, rounded up to a bound;
    /// `None` if there were none.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let mut seen = 0;
        for (count, bound) in self.counts.iter().zip(bounds()) {
            seen += count.load(Ordering::Relaxed);
            if f64::from(seen) >= f64::from(total) * part {
                return Some(bound);
            }
        }
        bounds().last()
    }

    fn total(&self) -> u32 {
        self.counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .fold(0, u32::saturating_add)
    }
}

fn bounds() -> impl Iterator<Item = Duration> {
    (0..BOUNDS).map(|power| FIRST.saturating_mul(1 << power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_them_and_nearly_all() {
        let latency = Latency::default();
        assert_eq!(latency.quantile(0.5), None);
        for _ in 0..98 {
            latency.observe(Duration::from_micros(900));
        }
        latency.observe(Duration::from_secs(2));
        latency.observe(Duration::from_hours(1));
        assert_eq!(latency.quantile(0.5), Some(Duration::from_millis(1)));
        assert_eq!(latency.quantile(0.99), Some(Duration::from_millis(2048)));
        assert_eq!(latency.quantile(1.0), Some(Duration::from_millis(8192)));
    }

    #[test]
    fn what_is_long_ago_weighs_less() {
        let latency = Latency::default();
        for _ in 0..10_000 {
            latency.observe(Duration::from_secs(1));
        }
        for _ in 0..2_000 {
            latency.observe(Duration::from_micros(1));
        }
        assert_eq!(latency.quantile(0.5), Some(FIRST));
    }
}
