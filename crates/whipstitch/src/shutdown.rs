//! The order of the end.
//!
//! 1. `/readyz` says 503: load balancers look elsewhere.
//! 2. No new connections are accepted.
//! 3. Every WebSocket gets a Close between frames, on both sides, and every stream of events ends. HTTP/2 connections that
//!    carry one would otherwise never end, so this comes before the next step.
//! 4. Connections end when the requests under way are answered: GOAWAY, or `Connection: close`.
//! 5. Whatever is not over at the deadline is dropped.
//!
//! A second signal skips the rest.

use std::time::Duration;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::readiness::Readiness;

/// How long connections have to send the rest of their last answer when every exchange is over.
const FLUSH: Duration = Duration::from_secs(1);

/// What has to end, and how it is told. Cheap to clone: all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Whether new clients should come here.
    pub readiness: Readiness,
    /// Ends accepting, and every task that repeats something.
    pub stop_accepting: CancellationToken,
    /// Asks every WebSocket session to close, and every stream of events to end.
    pub close_sockets: CancellationToken,
    /// Asks connections to end when the requests under way are answered.
    pub drain_connections: CancellationToken,
    /// Ends the admin listener, which answers until the very end.
    pub stop_admin: CancellationToken,
    /// Exchanges under way.
    pub exchanges: TaskTracker,
    /// WebSocket sessions.
    pub sockets: TaskTracker,
    /// Client connections.
    pub connections: TaskTracker,
    /// Everything else: accept loops, lookups, watches.
    pub background: TaskTracker,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everything ended by itself.
    Whole,
    /// The deadline came first.
    Cut {
        /// Exchanges that were dropped.
        exchanges: usize,
        /// WebSocket sessions that were dropped.
        sockets: usize,
    },
}

impl Shutdown {
    /// Ends everything, within `deadline` and a second.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        let (exchanges, sockets) = (self.exchanges.len(), self.sockets.len());
        info!(exchanges, sockets, ?deadline, "draining");
        let deadline = Instant::now() + deadline;

        self.readiness.draining();
        self.stop_accepting.cancel();
        self.close_sockets.cancel();
        self.drain_connections.cancel();

        self.exchanges.close();
        self.sockets.close();
        let over = async { tokio::join!(self.exchanges.wait(), self.sockets.wait()) };
        let drained = match timeout_at(deadline, over).await {
            Ok(_) => Drained::Whole,
            Err(_) => Drained::Cut {
                exchanges: self.exchanges.len(),
                sockets: self.sockets.len(),
            },
        };

        // A connection that never carried a request ends only at its timeout; there is nothing to wait for in it.
        self.connections.close();
        let _ = timeout(FLUSH, self.connections.wait()).await;
        self.stop_admin.cancel();
        self.background.close();
        match drained {
            Drained::Whole => info!("drained"),
            Drained::Cut { exchanges, sockets } => {
                warn!(
                    exchanges,
                    sockets, "the deadline came before the end of these; they are dropped"
                );
            }
        }
        drained
    }
}

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on: the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// The system refuses.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one; its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_ends_by_itself_is_waited_for() {
        let shutdown = Shutdown::default();
        shutdown.readiness.ready();
        let (sockets, close) = (&shutdown.sockets, shutdown.close_sockets.clone());
        sockets.spawn(async move {
            close.cancelled().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
        });
        let began = Instant::now();
        assert_eq!(
            shutdown.drain(Duration::from_secs(30)).await,
            Drained::Whole
        );
        assert_eq!(began.elapsed(), Duration::from_secs(3));
        assert!(!shutdown.readiness.is_ready());
        assert!(shutdown.stop_admin.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_is_cut_at_the_deadline() {
        let shutdown = Shutdown::default();
        let _exchange = shutdown.exchanges.token();
        shutdown.sockets.spawn(std::future::pending::<()>());
        shutdown.connections.spawn(std::future::pending::<()>());
        let began = Instant::now();
        let drained = shutdown.drain(Duration::from_secs(30)).await;
        assert_eq!(
            drained,
            Drained::Cut {
                exchanges: 1,
                sockets: 1
            }
        );
        assert_eq!(began.elapsed(), Duration::from_secs(31));
    }
}
