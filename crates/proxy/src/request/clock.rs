//! The wall clock, and what it may decide.
//!
//! Sealed tokens hold a wall-clock time, because they outlive the process and are read by other
//! replicas. Operators and NTP set that clock: it steps back, it steps forward, and two replicas
//! differ. So it decides nothing that an order of arrival or a monotonic clock can decide:
//!
//! | question | decided by |
//! |---|---|
//! | which of two sessions at one slot is newer, both made by this replica | their order of arrival here |
//! | the same, one of them made by another replica | the wall clock, if they differ by more than [`SKEW`]; else neither is refused |
//! | whether a session that this replica made has outlived `sessions.lifetime` | the monotonic clock |
//! | the same of another replica's session, and of one of before a restart | the wall clock, with [`SKEW`] added, or a tenth of the lifetime if that is less |
//! | whether a token from the future is good | nothing: its seal is what counts |

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How far the clocks of two replicas may differ before the order of their sessions is judged
/// wrongly.
///
/// A replica without working NTP is off by seconds, seldom by more. Within this time an old URL of
/// another replica's session is still served: that can end a newer session, where a stricter rule
/// would lock out a live one.
pub const SKEW: Duration = Duration::from_secs(30);

/// The wall clock. A test can step it, as an operator or NTP steps the system's. Cheap to clone:
/// all clones are one.
#[derive(Clone, Debug, Default)]
pub struct WallClock {
    /// How far it is ahead of the system's, in milliseconds.
    ahead: Arc<AtomicI64>,
}

impl WallClock {
    /// Milliseconds since 1970.
    pub fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let system = u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        system.saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }

    /// Seconds since 1970.
    pub fn seconds(&self) -> u64 {
        self.now() / 1000
    }

    /// Sets the clock ahead by this many milliseconds, or back.
    pub fn step(&self, milliseconds: i64) {
        self.ahead.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_moves_every_clone() {
        let clock = WallClock::default();
        let (other, before) = (clock.clone(), clock.now());
        clock.step(-60_000);
        assert!(other.now() < before - 50_000);
        other.step(3_600_000);
        assert!(clock.now() > before + 3_500_000);
        clock.step(i64::MIN / 2);
        assert_eq!(clock.now(), 0);
    }
}
