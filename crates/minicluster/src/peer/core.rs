//! The half of a peer that its owner holds; the other half is a task.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::engine::{Ask, Engine};
use super::{Counts, PeerError};

/// Asks that wait for the engine.
const ASKS: usize = 8;

/// A peer of either kind. Dropping it ends the session abruptly.
pub(super) struct Core {
    asks: mpsc::Sender<Ask>,
    counts: watch::Receiver<Counts>,
    candidate: String,
    tracker: TaskTracker,
    _stop: DropGuard,
}

impl Core {
    pub(super) async fn start(publishes: bool, datachannel: bool) -> Result<Self, PeerError> {
        let (asks, inbox) = mpsc::channel(ASKS);
        let (sender, counts) = watch::channel(Counts::default());
        let (engine, candidate) = Engine::open(
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            publishes,
            datachannel,
            sender,
        )
        .await?;
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        tracker.spawn(engine.run(inbox, stop.clone()));
        tracker.close();
        Ok(Self {
            asks,
            counts,
            candidate,
            tracker,
            _stop: stop.drop_guard(),
        })
    }

    pub(super) fn candidate(&self) -> &str {
        &self.candidate
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts.borrow().clone()
    }

    pub(super) async fn offer(&self) -> Result<String, PeerError> {
        self.ask(Ask::Offer).await
    }

    pub(super) async fn accept(&self, offer: &str) -> Result<String, PeerError> {
        self.ask(|reply| Ask::Accept(offer.to_owned(), reply)).await
    }

    pub(super) async fn answer(&self, answer: &str) -> Result<(), PeerError> {
        self.ask(|reply| Ask::Answer(answer.to_owned(), reply))
            .await
    }

    pub(super) async fn say(&self, text: &str) -> Result<(), PeerError> {
        self.ask(|reply| Ask::Say(text.to_owned(), reply)).await
    }

    pub(super) async fn wait(
        &self,
        within: Duration,
        reached: impl Fn(&Counts) -> bool,
    ) -> Result<Counts, PeerError> {
        let mut counts = self.counts.clone();
        let waited = tokio::time::timeout(within, counts.wait_for(|now| reached(now))).await;
        match waited {
            Ok(Ok(now)) => Ok(now.clone()),
            Ok(Err(_)) => Err(PeerError::Ended),
            Err(_) => Err(PeerError::Late(Box::new(self.counts()))),
        }
    }

    pub(super) async fn close(self) {
        let _ = self.asks.send(Ask::Close).await;
        self.tracker.wait().await;
    }

    async fn ask<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<T, PeerError>>) -> Ask,
    ) -> Result<T, PeerError> {
        let (reply, answer) = oneshot::channel();
        self.asks
            .send(ask(reply))
            .await
            .map_err(|_| PeerError::Ended)?;
        answer.await.map_err(|_| PeerError::Ended)?
    }
}
