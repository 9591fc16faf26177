//! Asks WebSocket sessions to close when the process drains, one after the other: clients reconnect
//! at once, and a thousand that do so in the same moment are an attack on whatever they reconnect
//! to.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

/// Sessions that may all close at once: so few are no burst, and an empty desk is left sooner.
const FEW: usize = 100;

/// The signal. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct DrainSignal {
    token: CancellationToken,
    turns: Arc<OnceLock<Turns>>,
}

#[derive(Debug)]
struct Turns {
    window: Duration,
    sessions: u32,
    taken: AtomicUsize,
}

impl DrainSignal {
    /// Asks for the end: of this many WebSocket sessions spread evenly over `window`, of everything
    /// else at once. Only the first call counts.
    pub fn close(&self, sessions: usize, window: Duration) {
        let window = if sessions < FEW {
            Duration::ZERO
        } else {
            window
        };
        self.turns.get_or_init(|| Turns {
            window,
            sessions: u32::try_from(sessions).unwrap_or(u32::MAX),
            taken: AtomicUsize::new(0),
        });
        self.token.cancel();
    }

    /// Whether the end was asked for.
    pub fn is_closing(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Cancelled when the end is asked for, for what need not wait for its turn.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Waits until the end is asked for, and then for this session's turn.
    pub async fn turn(&self) {
        self.token.cancelled().await;
        let delay = self.turns.get().map_or(Duration::ZERO, Turns::take);
        if !delay.is_zero() {
            // Boxed: a session holds this future from its beginning, and the timer is for its last
            // moments.
            Box::pin(tokio::time::sleep(delay)).await;
        }
    }
}

impl Turns {
    /// How long the next session waits. One that opened since the end was asked for shares a turn
    /// with another.
    fn take(&self) -> Duration {
        let turn = self.taken.fetch_add(1, Ordering::Relaxed);
        let turn = u32::try_from(turn).unwrap_or_default() % self.sessions.max(1);
        self.window / self.sessions.max(1) * turn
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::Instant;

    use super::*;

    async fn closed_after(sessions: usize, window: Duration) -> Vec<Duration> {
        let signal = DrainSignal::default();
        let turns = join_all((0..sessions).map(|_| async {
            signal.turn().await;
            Instant::now()
        }));
        let began = Instant::now();
        let close = async { signal.close(sessions, window) };
        let (turns, ()) = tokio::join!(turns, close);
        turns.into_iter().map(|at| at - began).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenth_of_the_sessions_closes_in_each_tenth_of_the_window() {
        let window = Duration::from_secs(15);
        let closed = closed_after(1_000, window).await;
        for tenth in 0..10 {
            let (from, to) = (window / 10 * tenth, window / 10 * (tenth + 1));
            let count = closed.iter().filter(|at| (from..to).contains(*at)).count();
            assert!((99..=101).contains(&count), "{tenth}: {count}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_sessions_close_at_once() {
        let closed = closed_after(20, Duration::from_secs(15)).await;
        assert!(closed.iter().all(Duration::is_zero), "{closed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_first_call_counts() {
        let signal = DrainSignal::default();
        signal.close(1_000, Duration::from_secs(10));
        signal.close(1_000, Duration::from_secs(1_000));
        let began = Instant::now();
        for _ in 0..2_000 {
            let _ = signal.turns.get().map(Turns::take);
        }
        signal.turn().await;
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}
