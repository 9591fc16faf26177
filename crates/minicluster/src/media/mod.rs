//! A node's media: one UDP socket, one task, any number of WebRTC sessions, distinguished by ICE
//! credentials and address.

mod lines;
mod negotiation;
mod session;
mod stun;
mod task;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use str0m::Candidate;
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::format::PayloadParams;
use str0m::media::{MediaKind, MediaTime};
use tokio::sync::{mpsc, oneshot};

use crate::registry::{SessionId, Tracks};

pub(crate) use task::MediaTask;

/// Commands that wait for a node's media task.
pub(crate) const COMMANDS: usize = 64;
/// Frames of streams published elsewhere that wait for a node's media task: about a second of
/// several streams.
pub(crate) const RELAYED: usize = 1024;
/// Events that wait for a signalling dialogue; later ones are dropped.
pub(crate) const EVENTS: usize = 16;

/// Events from a media session to the dialogue that created it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MediaEvent {
    /// A data channel is open.
    ChannelOpen,
}

/// Why the media task failed a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MediaError {
    #[error("{0}")]
    Sdp(String),
    #[error("no such media session")]
    Gone,
}

/// How a player's session is negotiated.
#[derive(Debug)]
pub(crate) enum Plan {
    /// The node makes the offer, with a data channel or without.
    Offer { datachannel: bool },
    /// The node answers this one.
    Answer(Box<SdpOffer>),
}

/// The result of a publish.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) answer: String,
    pub(crate) tracks: Tracks,
}

pub(crate) enum Command {
    Publish {
        id: SessionId,
        offer: Box<SdpOffer>,
        events: mpsc::Sender<MediaEvent>,
        reply: oneshot::Sender<Result<Published, MediaError>>,
    },
    Play {
        id: SessionId,
        tracks: Tracks,
        stream: String,
        plan: Plan,
        events: mpsc::Sender<MediaEvent>,
        reply: oneshot::Sender<Result<String, MediaError>>,
    },
    Answer {
        id: SessionId,
        answer: Box<SdpAnswer>,
        reply: oneshot::Sender<Result<(), MediaError>>,
    },
    Candidate {
        id: SessionId,
        candidate: String,
    },
}

/// One frame of a published stream, on its way to the players.
pub(crate) struct Frame {
    pub(crate) publisher: SessionId,
    pub(crate) kind: MediaKind,
    pub(crate) params: PayloadParams,
    pub(crate) time: MediaTime,
    pub(crate) arrived: std::time::Instant,
    pub(crate) keyframe: bool,
    pub(crate) data: Arc<[u8]>,
}

/// What one node's media task sends another's.
#[derive(Clone)]
pub(crate) enum Relayed {
    Frame(Arc<Frame>),
    /// A player of this publisher needs a key frame.
    Keyframe(SessionId),
}

/// The channels between the nodes' media tasks. Bounded: what does not fit is dropped, as on a
/// network.
pub(crate) struct Relays(Vec<Mutex<Option<mpsc::Sender<Relayed>>>>);

impl Relays {
    pub(crate) fn new(nodes: usize) -> Self {
        Self((0..nodes).map(|_| Mutex::new(None)).collect())
    }

    /// A new media task for `node` begins to receive.
    pub(crate) fn open(&self, node: usize) -> mpsc::Receiver<Relayed> {
        let (sender, receiver) = mpsc::channel(RELAYED);
        if let Some(slot) = self.0.get(node) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        }
        receiver
    }

    pub(crate) fn send(&self, node: usize, what: Relayed) {
        let Some(slot) = self.0.get(node) else { return };
        if let Some(sender) = slot.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            let _ = sender.try_send(what);
        }
    }
}

/// The handle of a node's media task.
#[derive(Clone)]
pub(crate) struct MediaHandle {
    pub(crate) commands: mpsc::Sender<Command>,
    /// The address in this node's ICE candidates.
    pub(crate) address: SocketAddr,
}

impl MediaHandle {
    /// This node's one candidate, `candidate:…`.
    pub(crate) fn candidate_text(&self) -> String {
        Candidate::host(self.address, "udp")
            .map(|candidate| candidate.to_sdp_string())
            .unwrap_or_default()
    }

    pub(crate) async fn publish(
        &self,
        id: SessionId,
        offer: &str,
        events: mpsc::Sender<MediaEvent>,
    ) -> Result<Published, MediaError> {
        let offer = Box::new(parse_offer(offer)?);
        self.ask(|reply| Command::Publish {
            id,
            offer,
            events,
            reply,
        })
        .await
    }

    pub(crate) async fn play(
        &self,
        id: SessionId,
        tracks: Tracks,
        stream: String,
        plan: Plan,
        events: mpsc::Sender<MediaEvent>,
    ) -> Result<String, MediaError> {
        self.ask(|reply| Command::Play {
            id,
            tracks,
            stream,
            plan,
            events,
            reply,
        })
        .await
    }

    pub(crate) async fn answer(&self, id: SessionId, answer: &str) -> Result<(), MediaError> {
        let answer = SdpAnswer::from_sdp_string(answer)
            .map_err(|error| MediaError::Sdp(error.to_string()))?;
        self.ask(|reply| Command::Answer {
            id,
            answer: Box::new(answer),
            reply,
        })
        .await
    }

    /// A remote candidate; not needed to connect, because the node learns the peer from its checks
    /// (RFC 8445 §7.3.1.3).
    pub(crate) async fn candidate(&self, id: SessionId, candidate: String) {
        let _ = self
            .commands
            .send(Command::Candidate { id, candidate })
            .await;
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, MediaError>>) -> Command,
    ) -> Result<T, MediaError> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .await
            .map_err(|_| MediaError::Gone)?;
        answer.await.map_err(|_| MediaError::Gone)?
    }
}

pub(crate) fn parse_offer(offer: &str) -> Result<SdpOffer, MediaError> {
    SdpOffer::from_sdp_string(offer).map_err(|error| MediaError::Sdp(error.to_string()))
}
