//! The order of the end.
//!
//! 1. `/readyz` says 503: load balancers look elsewhere. `shutdown.delay` gives them time to hear
//!    of it.
//! 2. No new connections are accepted.
//! 3. Every WebSocket gets a Close between frames, on both sides, and every stream of events ends.
//!    HTTP/2 connections that carry one would otherwise never end, so this comes before the next
//!    step. A hundred sessions and more close one after the other, over half of the deadline, so
//!    that their clients do not all reconnect in the same moment.
//! 4. Connections end when the requests under way are answered: GOAWAY, or `Connection: close`.
//! 5. Whatever is not over at the deadline is dropped. The last spans are sent.
//! 6. The process ends.
//!
//! A signal begins all of it; so does `POST /drain`, which stops before the last step: a sidecar
//! that ends by itself is started again, so a drained process stays, answers on the admin
//! interface, and ends with the signal. Whoever asks for a drain that is under way joins it. A
//! second signal skips the rest.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use whipstitch_proxy::CloseSignal;

use crate::readiness::Readiness;

/// How long connections have to send the rest of their last answer when every exchange is over, and
/// how long a collector has to take the last spans.
const FLUSH: Duration = Duration::from_secs(1);

/// How long a session has to answer its Close: the last one is sent that long before the deadline.
const GOODBYE: Duration = Duration::from_secs(5);

/// What has to end, and how it is told. Cheap to clone: all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Whether new clients should come here.
    pub readiness: Readiness,
    /// Ends accepting, and every task that repeats something.
    pub stop_accepting: CancellationToken,
    /// Asks every WebSocket session to close, and every stream of events to end.
    pub close_sockets: CloseSignal,
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
    /// Has the spans sent that wait, and no more.
    pub stop_spans: CancellationToken,
    /// Who sends spans.
    pub spans: TaskTracker,
    /// Everything else: accept loops, lookups, watches.
    pub background: TaskTracker,
    drain: Arc<Draining>,
}

/// The one drain that a process has.
#[derive(Debug, Default)]
struct Draining {
    began: OnceLock<DrainTimes>,
    over: watch::Sender<Option<Drained>>,
}

/// When a drain began, and when it is over at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainTimes {
    /// When `/readyz` began to say 503.
    pub began: SystemTime,
    /// When whatever is left is dropped.
    pub deadline: SystemTime,
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
    /// Ends everything: within `delay`, `deadline` and a second, counted from the first who asked.
    pub async fn drain(&self, delay: Duration, deadline: Duration) -> Drained {
        self.begin(delay, deadline);
        let drained = self.drained().await;
        self.stop_admin.cancel();
        self.background.close();
        drained
    }

    /// Ends everything but the process and its admin interface, unless somebody has asked for that
    /// before.
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

    /// When the drain began, if there is one, and how it ended, if it has.
    pub fn progress(&self) -> Option<(DrainTimes, Option<Drained>)> {
        let began = self.drain.began.get()?;
        Some((*began, *self.drain.over.borrow()))
    }

    /// Waits until a drain is over, whoever began it.
    pub async fn drained(&self) -> Drained {
        let mut over = self.drain.over.subscribe();
        let drained = over.wait_for(Option::is_some).await;
        // The sender is ours, so it is there.
        drained
            .ok()
            .and_then(|drained| *drained)
            .unwrap_or(Drained::Whole)
    }

    async fn wind_down(&self, delay: Duration, deadline: Duration) -> Drained {
        let (exchanges, sockets) = (self.exchanges.len(), self.sockets.len());
        info!(exchanges, sockets, ?delay, ?deadline, "draining");
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let spread = (deadline / 2).min(deadline.saturating_sub(GOODBYE));
        let deadline = Instant::now() + deadline;
        self.stop_accepting.cancel();
        self.close_sockets.close(self.sockets.len(), spread);
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

        // A connection that never carried a request ends only at its timeout; there is nothing to
        // wait for in it.
        self.connections.close();
        // Every exchange that is over has told of itself.
        self.stop_spans.cancel();
        self.spans.close();
        let flushed = async { tokio::join!(self.connections.wait(), self.spans.wait()) };
        let _ = timeout(FLUSH, flushed).await;
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

/// What an operator says to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// End: the name of the signal.
    Stop(&'static str),
    /// Read files again: SIGHUP.
    Reload,
}

/// SIGTERM, SIGINT and SIGHUP.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
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
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Said {
        tokio::select! {
            _ = self.terminate.recv() => Said::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Said::Stop("SIGINT"),
            _ = self.hangup.recv() => Said::Reload,
        }
    }

    /// Waits for the next one that asks for the end; its name. One that asks for a reload is there
    /// for [`Signals::next`].
    pub async fn stop(&mut self) -> &'static str {
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
    async fn what_does_not_end_is_cut_at_the_deadline() {
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
        assert_eq!(shutdown.progress(), Some((times, Some(Drained::Whole))));
        assert!(!shutdown.stop_admin.is_cancelled());
        let began = Instant::now();
        assert_eq!(shutdown.drain(delay, deadline).await, Drained::Whole);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(shutdown.stop_admin.is_cancelled());
    }
}
