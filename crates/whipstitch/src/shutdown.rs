//! The shutdown sequence.
//!
//! 1. `/readyz` answers 503, so that load balancers stop sending clients; `shutdown.delay` is the
//!    time that they take to notice.
//! 2. No new connections are accepted.
//! 3. Every WebSocket gets a Close between frames, on both sides, and every stream of events ends.
//!    This comes before the next step because an HTTP/2 connection with such a stream would never
//!    end. A hundred sessions or more are closed one after the other, over half of the deadline, so
//!    that their clients do not reconnect all at once.
//! 4. Each connection ends after the requests in flight: GOAWAY, or `Connection: close`. One that
//!    was accepted and has sent nothing gets a second for its first byte.
//! 5. The remaining ones are closed at the deadline. The last spans are sent.
//! 6. The process ends.
//!
//! A signal begins all of it. `POST /drain` does so, too, but stops before the last step: an
//! orchestrator restarts a sidecar that ends by itself, so a drained process stays, answers on the
//! admin interface, and ends with the signal. A second request for a drain joins the first one. A
//! second signal skips the remaining steps.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use whipstitch_admin::Drain;
pub use whipstitch_admin::{DrainTimes, Drained};
use whipstitch_ingress::FIRST_BYTE;
use whipstitch_origin::Seconds;
use whipstitch_proxy::DrainSignal;

use crate::readiness::Readiness;

/// Time for connections to send the rest of their last answer after the last exchange, and for the
/// collector to accept the last spans.
const FLUSH: Duration = Duration::from_secs(1);

/// Time for a session to answer its Close: the last Close is sent this long before the deadline.
const CLOSE_REPLY: Duration = Duration::from_secs(5);

/// The signals and the task trackers of a shutdown. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// The stage of the process.
    pub readiness: Readiness,
    /// Ends the accept loops and the periodic tasks.
    pub stop_accepting: CancellationToken,
    /// Closes every WebSocket session and every stream of events.
    pub close_sockets: DrainSignal,
    /// Ends connections after the requests in flight.
    pub drain_connections: CancellationToken,
    /// Ends the admin interface, the last listener.
    pub stop_admin: CancellationToken,
    /// Exchanges in flight.
    pub exchanges: TaskTracker,
    /// WebSocket sessions.
    pub sockets: TaskTracker,
    /// Client connections.
    pub connections: TaskTracker,
    /// Flushes the queue of spans and ends the export.
    pub stop_spans: CancellationToken,
    /// The export of spans.
    pub spans: TaskTracker,
    /// Other tasks: accept loops, lookups, file watches.
    pub background: TaskTracker,
    drain: Arc<Draining>,
}

/// The one drain that a process has.
#[derive(Debug, Default)]
struct Draining {
    began: OnceLock<DrainTimes>,
    over: watch::Sender<Option<Drained>>,
}

impl Shutdown {
    /// Drains, then ends the admin interface: within `delay`, `deadline` and a second, from the
    /// first request for a drain.
    pub async fn drain(&self, delay: Duration, deadline: Duration) -> Drained {
        self.begin(delay, deadline);
        let drained = self.drained().await;
        self.stop_admin.cancel();
        self.background.close();
        drained
    }

    /// Begins a drain, unless there is one: ends everything but the process and its admin
    /// interface.
    pub fn begin(&self, delay: Duration, deadline: Duration) -> DrainTimes {
        let mut first = false;
        let times = *self.drain.began.get_or_init(|| {
            first = true;
            let began = SystemTime::now();
            DrainTimes {
                began,
                deadline: began + delay + deadline,
            }
        });
        if first {
            self.readiness.draining();
            let shutdown = self.clone();
            self.background.spawn(async move {
                let drained = shutdown.wind_down(delay, deadline).await;
                shutdown.readiness.drained();
                shutdown.drain.over.send_replace(Some(drained));
            });
        }
        times
    }

    /// The drain, if one has begun.
    pub fn progress(&self) -> Option<Drain> {
        let times = *self.drain.began.get()?;
        let result = *self.drain.over.borrow();
        let (exchanges, sockets) = match result {
            None => (self.exchanges.len(), self.sockets.len()),
            Some(Drained::Whole) => (0, 0),
            Some(Drained::Cut { exchanges, sockets }) => (exchanges, sockets),
        };
        Some(Drain {
            times,
            exchanges,
            sockets,
            result,
        })
    }

    /// Waits until the drain is finished.
    pub async fn drained(&self) -> Drained {
        let mut over = self.drain.over.subscribe();
        let drained = over.wait_for(Option::is_some).await;
        // The sender is a field of this, so it is not dropped.
        drained
            .ok()
            .and_then(|drained| *drained)
            .unwrap_or(Drained::Whole)
    }

    async fn wind_down(&self, delay: Duration, deadline: Duration) -> Drained {
        let (exchanges, sockets) = (self.exchanges.len(), self.sockets.len());
        let (after, within) = (Seconds(delay), Seconds(deadline));
        info!(exchanges, sockets, delay = %after, deadline = %within, "draining");
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let spread = (deadline / 2).min(deadline.saturating_sub(CLOSE_REPLY));
        let deadline = Instant::now() + deadline;
        self.stop_accepting.cancel();
        self.close_sockets.close(self.sockets.len(), spread);
        self.drain_connections.cancel();

        self.exchanges.close();
        self.sockets.close();
        self.connections.close();
        let over = async {
            // Requests may still come over connections without a first byte.
            let _ = timeout(FIRST_BYTE, self.connections.wait()).await;
            tokio::join!(self.exchanges.wait(), self.sockets.wait())
        };
        let drained = match timeout_at(deadline, over).await {
            Ok(_) => Drained::Whole,
            Err(_) => Drained::Cut {
                exchanges: self.exchanges.len(),
                sockets: self.sockets.len(),
            },
        };

        // A connection that never carried a request ends only at its timeout; nothing in it is
        // worth the wait.
        // Every finished exchange has queued its spans.
        self.stop_spans.cancel();
        self.spans.close();
        let flushed = async { tokio::join!(self.connections.wait(), self.spans.wait()) };
        let _ = timeout(FLUSH, flushed).await;
        match drained {
            Drained::Whole => info!("drained"),
            Drained::Cut { exchanges, sockets } => {
                warn!(
                    exchanges,
                    sockets,
                    "drain deadline reached: closing the remaining requests and WebSockets"
                );
            }
        }
        drained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sessions_that_end_are_waited_for() {
        let shutdown = Shutdown::default();
        shutdown.readiness.ready();
        let (sockets, close) = (&shutdown.sockets, shutdown.close_sockets.clone());
        sockets.spawn(async move {
            close.turn().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
        });
        let began = Instant::now();
        assert_eq!(
            shutdown
                .drain(Duration::ZERO, Duration::from_secs(30))
                .await,
            Drained::Whole
        );
        assert_eq!(began.elapsed(), Duration::from_secs(3));
        assert!(!shutdown.readiness.is_ready());
        assert!(shutdown.stop_admin.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_that_do_not_end_are_closed_at_the_deadline() {
        let shutdown = Shutdown::default();
        let _exchange = shutdown.exchanges.token();
        shutdown.sockets.spawn(std::future::pending::<()>());
        shutdown.connections.spawn(std::future::pending::<()>());
        let began = Instant::now();
        let drained = shutdown
            .drain(Duration::ZERO, Duration::from_secs(30))
            .await;
        assert_eq!(
            drained,
            Drained::Cut {
                exchanges: 1,
                sockets: 1
            }
        );
        assert_eq!(began.elapsed(), Duration::from_secs(31));
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_on_demand_leaves_the_process_and_a_signal_joins_it() {
        let shutdown = Shutdown::default();
        shutdown.readiness.ready();
        let close = shutdown.close_sockets.clone();
        let (delay, deadline) = (Duration::from_secs(5), Duration::from_secs(30));
        let began = Instant::now();
        let socket = {
            let close = close.clone();
            shutdown.sockets.spawn(async move {
                close.turn().await;
                Instant::now()
            })
        };
        assert_eq!(shutdown.progress(), None);
        let times = shutdown.begin(delay, deadline);
        assert_eq!(times.deadline, times.began + delay + deadline);
        assert!(!shutdown.readiness.is_ready() && !close.is_closing());
        assert_eq!(shutdown.begin(Duration::ZERO, Duration::ZERO), times);
        assert_eq!(shutdown.drained().await, Drained::Whole);
        assert_eq!(socket.await.unwrap() - began, delay);
        assert_eq!(shutdown.readiness.stage(), crate::readiness::Stage::Drained);
        let drain = shutdown.progress().unwrap();
        assert_eq!((drain.times, drain.result), (times, Some(Drained::Whole)));
        assert!(!shutdown.stop_admin.is_cancelled());
        let began = Instant::now();
        assert_eq!(shutdown.drain(delay, deadline).await, Drained::Whole);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(shutdown.stop_admin.is_cancelled());
    }
}
