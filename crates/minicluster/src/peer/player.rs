//! A client that plays.

use std::time::Duration;

use super::core::Core;
use super::{Counts, PeerError};

/// Receives audio and video and counts the frames.
pub struct Player(Core);

impl Player {
    /// A player with a UDP socket on 127.0.0.1.
    ///
    /// # Errors
    /// [`PeerError::Socket`].
    pub async fn new() -> Result<Self, PeerError> {
        Core::start(false, false).await.map(Self)
    }

    /// An SDP offer to receive audio and video, its one candidate in it.
    ///
    /// # Errors
    /// [`PeerError::Ended`].
    pub async fn offer(&self) -> Result<String, PeerError> {
        self.0.offer().await
    }

    /// Take the answer to [`offer`](Self::offer).
    ///
    /// # Errors
    /// [`PeerError::Sdp`] when it is not one, or none is due.
    pub async fn answer(&self, answer: &str) -> Result<(), PeerError> {
        self.0.answer(answer).await
    }

    /// Take the other side's offer, give the answer. An offer of its own that is still open is discarded, as the SDK does.
    ///
    /// # Errors
    /// [`PeerError::Sdp`] when it is not one.
    pub async fn accept(&self, offer: &str) -> Result<String, PeerError> {
        self.0.accept(offer).await
    }

    /// Its ICE candidate, `candidate:…`, for dialogues that want it apart from the SDP.
    pub fn candidate(&self) -> &str {
        self.0.candidate()
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.0.counts()
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
        self.0
            .wait(within, |counts| {
                counts.audio >= frames && counts.video >= frames
            })
            .await
    }

    /// Wait until the session is over.
    ///
    /// # Errors
    /// [`PeerError::Late`].
    pub async fn wait_ended(&self, within: Duration) -> Result<Counts, PeerError> {
        self.0.wait(within, |counts| counts.ended).await
    }

    /// Wait until a data channel is open.
    ///
    /// # Errors
    /// [`PeerError::Late`] or [`PeerError::Ended`].
    pub async fn wait_for_channel(&self, within: Duration) -> Result<Counts, PeerError> {
        self.0.wait(within, |counts| counts.channel.is_some()).await
    }

    /// Send a text over the data channel.
    ///
    /// # Errors
    /// [`PeerError::Ended`] without an open data channel.
    pub async fn say(&self, text: &str) -> Result<(), PeerError> {
        self.0.say(text).await
    }

    /// Close the session properly and wait until it is.
    pub async fn close(self) {
        self.0.close().await;
    }
}
