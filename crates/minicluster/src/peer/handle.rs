//! The half of a peer that its owner holds; the other half is a task.

use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::engine::{Ask, Engine};
use super::{Counts, PeerError};

/// Commands queued for the engine.
const ASKS: usize = 8;

/// Publishes an Opus frame each 20 ms and a VP8 frame each 33 ms once it is connected. The frames
/// are well-formed, key frames included, but hold no picture and no sound.
pub type Publisher = Peer<Publishes>;

/// Receives audio and video and counts the frames.
pub type Player = Peer<Plays>;

/// What a [`Publisher`] is for.
#[derive(Debug)]
pub enum Publishes {}

/// What a [`Player`] is for.
#[derive(Debug)]
pub enum Plays {}

/// A client with one WebRTC connection. Dropping it ends the session abruptly.
pub struct Peer<Purpose> {
    asks: mpsc::Sender<Ask>,
    counts: watch::Receiver<Counts>,
    candidate: String,
    tracker: TaskTracker,
    _stop: DropGuard,
    purpose: PhantomData<Purpose>,
}

impl Peer<Publishes> {
    /// A publisher with a UDP socket on 127.0.0.1.
    ///
    /// # Errors
    /// [`PeerError::Socket`].
    pub async fn new() -> Result<Self, PeerError> {
        Self::start(true, false).await
    }

    /// A publisher that also opens the data channel `red5pro`, as the SDK's does.
    ///
    /// # Errors
    /// [`PeerError::Socket`].
    pub async fn with_data_channel() -> Result<Self, PeerError> {
        Self::start(true, true).await
    }

    /// Wait until ICE and DTLS are up.
    ///
    /// # Errors
    /// [`PeerError::Late`] or [`PeerError::Ended`].
    pub async fn wait_connected(&self, within: Duration) -> Result<Counts, PeerError> {
        self.wait(within, |counts| counts.connected).await
    }
}

impl Peer<Plays> {
    /// A player with a UDP socket on 127.0.0.1.
    ///
    /// # Errors
    /// [`PeerError::Socket`].
    pub async fn new() -> Result<Self, PeerError> {
        Self::start(false, false).await
    }

    /// Wait until `frames` audio frames and `frames` video frames have come.
    ///
    /// # Errors
    /// [`PeerError::Late`] or [`PeerError::Ended`].
    pub async fn wait_for_frames(
        &self,
        frames: u64,
        within: Duration,
    ) -> Result<Counts, PeerError> {
        self.wait(within, |counts| {
            counts.audio >= frames && counts.video >= frames
        })
        .await
    }
}

impl<Purpose> Peer<Purpose> {
    /// An SDP offer to send or to receive audio and video, its one candidate in it.
    ///
    /// # Errors
    /// [`PeerError::Ended`].
    pub async fn offer(&self) -> Result<String, PeerError> {
        self.ask(Ask::Offer).await
    }

    /// Take the answer to [`offer`](Self::offer).
    ///
    /// # Errors
    /// [`PeerError::Sdp`] when it is not one, or none is due.
    pub async fn answer(&self, answer: &str) -> Result<(), PeerError> {
        self.ask(|reply| Ask::Answer(answer.to_owned(), reply))
            .await
    }

    /// The other role: take an offer, give the answer. An offer of its own that is still open is
    /// discarded, as the SDK does.
    ///
    /// # Errors
    /// [`PeerError::Sdp`] when it is not one.
    pub async fn accept(&self, offer: &str) -> Result<String, PeerError> {
        self.ask(|reply| Ask::Accept(offer.to_owned(), reply)).await
    }

    /// Its ICE candidate, `candidate:…`, for dialogues that want it apart from the SDP.
    pub fn candidate(&self) -> &str {
        &self.candidate
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts.borrow().clone()
    }

    /// Wait until the session is over.
    ///
    /// # Errors
    /// [`PeerError::Late`].
    pub async fn wait_ended(&self, within: Duration) -> Result<Counts, PeerError> {
        self.wait(within, |counts| counts.ended).await
    }

    /// Wait until a data channel is open.
    ///
    /// # Errors
    /// [`PeerError::Late`] or [`PeerError::Ended`].
    pub async fn wait_for_channel(&self, within: Duration) -> Result<Counts, PeerError> {
        self.wait(within, |counts| counts.channel.is_some()).await
    }

    /// Send a text over the data channel.
    ///
    /// # Errors
    /// [`PeerError::Ended`] without an open data channel.
    pub async fn send_text(&self, text: &str) -> Result<(), PeerError> {
        self.ask(|reply| Ask::Say(text.to_owned(), reply)).await
    }

    /// Close the session properly and wait until it is.
    pub async fn close(self) {
        let _ = self.asks.send(Ask::Close).await;
        self.tracker.wait().await;
    }

    async fn start(publishes: bool, datachannel: bool) -> Result<Self, PeerError> {
        let (asks, inbox) = mpsc::channel(ASKS);
        let (sender, counts) = watch::channel(Counts::default());
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (engine, candidate) = Engine::open(ip, publishes, datachannel, sender).await?;
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        tracker.spawn(engine.run(inbox, stop.clone()));
        tracker.close();
        Ok(Self {
            asks,
            counts,
            candidate,
            tracker,
            _stop: stop.drop_guard(),
            purpose: PhantomData,
        })
    }

    async fn wait(
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
