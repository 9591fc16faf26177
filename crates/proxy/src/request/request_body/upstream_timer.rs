//! Times the destination of a body that passes as it comes, and not its client: the timer runs
//! while the destination has to take a piece of it or to answer, and stops while the client has to
//! send the next piece. Each piece is a sign of life, so an upload may take as long as it wants.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};

/// Whose turn it is. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamTimer(Arc<Mutex<Turn>>);

/// Since when it is the destination's; `None` while it is the client's.
type Turn = Option<Instant>;

impl Default for UpstreamTimer {
    /// Running: the destination has to take the header.
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(Instant::now()))))
    }
}

impl UpstreamTimer {
    /// The destination has got the next piece, or waits for it.
    pub(super) fn turn(&self, is_destinations: bool) {
        *self.lock() = is_destinations.then(Instant::now);
    }

    /// Ends when the destination has spent this time on one piece, or on its answer.
    pub(crate) async fn expired(&self, patience: Duration) {
        loop {
            let since = *self.lock();
            match since {
                Some(since) if since.elapsed() >= patience => return,
                Some(since) => sleep_until(since + patience).await,
                // Checked again when a turn that begins now could be over.
                None => sleep(patience).await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
