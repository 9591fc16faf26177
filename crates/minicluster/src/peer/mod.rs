//! A WebRTC client for tests: it publishes generated frames or counts the ones it plays.
//!
//! It knows nothing of HTTP or WebSockets. SDP goes in and comes out as text, in either role, so
//! that a test can carry it over any transport:
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! # fn post(_: String) -> String { String::new() }
//! use std::time::Duration;
//! use whipstitch_minicluster::peer::{Player, Publisher};
//!
//! let publisher = Publisher::new().await?;
//! let answer = post(publisher.offer().await?);
//! publisher.answer(&answer).await?;
//!
//! let player = Player::new().await?;
//! let offer = post(String::new());
//! let _ = post(player.accept(&offer).await?);
//! let counted = player.wait_for_frames(30, Duration::from_secs(5)).await?;
//! println!("{} audio and {} video frames", counted.audio, counted.video);
//! # Ok(())
//! # }
//! ```

mod engine;
mod handle;

pub use handle::{Peer, Player, Plays, Publisher, Publishes};

/// What a peer has seen so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// ICE and DTLS are up.
    pub connected: bool,
    /// The session is over: closed by either side, or its path is lost.
    pub ended: bool,
    /// Audio frames sent (publisher) or received (player).
    pub audio: u64,
    /// Video frames sent or received.
    pub video: u64,
    /// How many of the video frames were key frames.
    pub keyframes: u64,
    /// Key frames that the other side asked for.
    pub keyframe_requests: u64,
    /// The label of the data channel that is open.
    pub channel: Option<String>,
    /// Text messages that came over the data channel, the last sixteen.
    pub messages: Vec<String>,
}

/// Why a peer failed a command.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The SDP was not accepted, or none was due.
    #[error("SDP: {0}")]
    Sdp(String),
    /// The session is over.
    #[error("the session is over")]
    Ended,
    /// The condition was not reached in time; these are the counts so far.
    #[error("not in time; so far {0:?}")]
    Late(Box<Counts>),
    /// The UDP socket could not be bound.
    #[error("UDP socket: {0}")]
    Socket(#[from] std::io::Error),
}
