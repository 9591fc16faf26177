//! The dialogues on a WebSocket: the publisher's and the subscriber's dialogue (red5pro-webrtc-sdk
//! 11.0.0, `RTCPublisher` and `RTCSubscriber`).

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::NodeState;
use crate::frames;
use crate::media::{MediaError, MediaEvent, Plan};
use crate::registry::{Refusal, SessionId, Tracks};
use crate::stream::{StreamKey, text};

/// The label of the SDK's data channel, which is also the name it switches to.
const CHANNEL: &str = "red5pro";

/// One client's dialogue, and the media session that it created.
pub(crate) struct Dialogue {
    node: Arc<NodeState>,
    scope: String,
    events: mpsc::Sender<MediaEvent>,
    session: Option<Session>,
    /// The client has moved on to the data channel: losing the WebSocket no longer ends the stream.
    switched: bool,
}

struct Session {
    id: SessionId,
    stream: String,
    /// A publisher's tracks, until it says `publish`.
    unpublished: Option<Tracks>,
    publisher: bool,
    started: bool,
    channel: Channel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    /// The client asked for none, or stays on the WebSocket.
    Unwanted,
    Awaited,
    Open,
    Announced,
}

impl Dialogue {
    pub(crate) fn new(
        node: Arc<NodeState>,
        scope: String,
        events: mpsc::Sender<MediaEvent>,
    ) -> Self {
        Self {
            node,
            scope,
            events,
            session: None,
            switched: false,
        }
    }

    /// Wakes when sessions end somewhere; then [`look_for_end`](Self::look_for_end).
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.node.registry.watch()
    }

    /// One text frame from the client; gives the frames to send. What is not JSON, or not known, is
    /// ignored.
    pub(crate) async fn receive(&mut self, frame: &str) -> Vec<String> {
        let Ok(frame) = serde_json::from_str::<Value>(frame) else {
            return Vec::new();
        };
        if let Some(stream) = text(&frame, "isAvailable") {
            let live = self.node.registry.live(&self.key(stream)).is_some();
            vec![frames::available(live)]
        } else if let Some(stream) = text(&frame, "handleOffer") {
            self.offered(stream, &frame)
                .await
                .unwrap_or_else(|error| vec![error])
        } else if let Some(stream) = text(&frame, "requestOffer") {
            self.offer_wanted(stream, &frame)
                .await
                .unwrap_or_else(|error| vec![error])
        } else if frame.get("handleAnswer").is_some() {
            self.answered(&frame)
                .await
                .unwrap_or_else(|error| vec![error])
        } else if frame.get("handleCandidate").is_some() {
            self.candidate(&frame).await
        } else if let Some(stream) = text(&frame, "publish").or_else(|| text(&frame, "subscribe")) {
            self.start(stream)
        } else if let Some(stream) = text(&frame, "unpublish") {
            self.stop(stream)
        } else {
            self.switched |=
                text(&frame, "switchChannel") == Some(CHANNEL) && self.session.is_some();
            Vec::new()
        }
    }

    /// Handles an event of the session's media.
    pub(crate) fn media(&mut self, event: &MediaEvent) -> Vec<String> {
        match (event, &mut self.session) {
            (MediaEvent::ChannelOpen, Some(session)) if session.channel == Channel::Awaited => {
                session.channel = Channel::Open;
                session.announce().into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Notifies a player whose publisher has left.
    pub(crate) fn look_for_end(&mut self) -> Vec<String> {
        match self
            .session
            .take_if(|session| !self.node.registry.contains(session.id))
        {
            Some(session) if !session.publisher => {
                vec![frames::status("NetStream.Play.UnpublishNotify")]
            }
            _ => Vec::new(),
        }
    }

    /// The WebSocket is gone. Before the switch this tears the stream down, as
    /// `aggressive.connection.cleanup` does.
    pub(crate) fn hang_up(&mut self) {
        if let Some(session) = self.session.take()
            && !self.switched
        {
            self.node.registry.end(session.id);
        }
    }

    fn key(&self, stream: &str) -> StreamKey {
        StreamKey::new(&self.scope, stream)
    }

    async fn offered(&mut self, stream: &str, frame: &Value) -> Result<Vec<String>, String> {
        self.only_one()?;
        let offer = frames::sdp_in(frame);
        let node = self.node.clone();
        let id = node
            .registry
            .reserve_publisher(node.index, &self.key(stream))
            .map_err(refused)?;
        let claim = node.registry.claim(id);
        let media = node.life().media;
        let published = media
            .publish(id, offer, self.events.clone())
            .await
            .map_err(|error| failed(&error))?;
        // The client opens the data channel; its offer announces that.
        let channel = if offer.contains("m=application") {
            Channel::Awaited
        } else {
            Channel::Unwanted
        };
        let unpublished = Some(published.tracks);
        self.session = Some(Session {
            id,
            stream: stream.to_owned(),
            unpublished,
            publisher: true,
            started: false,
            channel,
        });
        claim.keep();
        Ok(described(
            "answer",
            &published.answer,
            &media.candidate_text(),
        ))
    }

    async fn offer_wanted(&mut self, stream: &str, frame: &Value) -> Result<Vec<String>, String> {
        self.only_one()?;
        let flag = |name| frame.get(name).and_then(Value::as_bool).unwrap_or(false);
        let datachannel = flag("datachannel");
        let channel = if datachannel && !flag("doNotSwitch") {
            Channel::Awaited
        } else {
            Channel::Unwanted
        };
        let request_id = text(frame, "requestId").unwrap_or_default();
        let node = self.node.clone();
        let (id, tracks) = node
            .registry
            .reserve_player(node.index, &self.key(stream), request_id)
            .map_err(refused)?;
        let claim = node.registry.claim(id);
        let media = node.life().media;
        let plan = Plan::Offer { datachannel };
        let offer = media
            .play(id, tracks, stream.to_owned(), plan, self.events.clone())
            .await
            .map_err(|error| failed(&error))?;
        self.session = Some(Session {
            id,
            stream: stream.to_owned(),
            unpublished: None,
            publisher: false,
            started: false,
            channel,
        });
        claim.keep();
        Ok(described("offer", &offer, &media.candidate_text()))
    }

    async fn answered(&mut self, frame: &Value) -> Result<Vec<String>, String> {
        let Some(session) = &self.session else {
            return Err(frames::error("No session", "no offer was asked for"));
        };
        let media = self.node.life().media;
        media
            .answer(session.id, frames::sdp_in(frame))
            .await
            .map_err(|error| failed(&error))?;
        Ok(Vec::new())
    }

    /// The client's last candidate is empty; after it neither side sends another.
    async fn candidate(&mut self, frame: &Value) -> Vec<String> {
        let Some(session) = &self.session else {
            return Vec::new();
        };
        let candidate = frames::candidate_in(frame);
        if candidate.is_empty() {
            return vec![frames::trickle_completed()];
        }
        self.node
            .life()
            .media
            .candidate(session.id, candidate.to_owned())
            .await;
        Vec::new()
    }

    fn start(&mut self, stream: &str) -> Vec<String> {
        let Some(session) = self
            .session
            .as_mut()
            .filter(|session| session.stream == stream)
        else {
            return vec![frames::error(
                "No session",
                &format!("{stream} was not negotiated"),
            )];
        };
        if let Some(tracks) = session.unpublished.take() {
            self.node.registry.set_live(session.id, tracks);
        }
        session.started = true;
        let mut replies = vec![frames::starting(stream)];
        replies.extend(session.announce());
        replies
    }

    fn stop(&mut self, stream: &str) -> Vec<String> {
        match self.session.take_if(|session| session.stream == stream) {
            Some(session) => {
                self.node.registry.end(session.id);
                vec![frames::stopping(stream)]
            }
            None => Vec::new(),
        }
    }

    fn only_one(&self) -> Result<(), String> {
        match self.session {
            Some(_) => Err(frames::error(
                "Session exists",
                "one WebSocket carries one stream",
            )),
            None => Ok(()),
        }
    }
}

impl Session {
    /// The data channel is announced once, when it is open and the stream has started.
    fn announce(&mut self) -> Option<String> {
        if self.channel != Channel::Open || !self.started {
            return None;
        }
        self.channel = Channel::Announced;
        Some(frames::channel_available(CHANNEL))
    }
}

/// Our description and, as a trickling peer would, our one candidate.
fn described(kind: &str, sdp: &str, candidate: &str) -> Vec<String> {
    let mid = sdp
        .lines()
        .find_map(|line| line.trim().strip_prefix("a=mid:"))
        .unwrap_or("0");
    vec![frames::sdp(kind, sdp), frames::candidate(candidate, mid)]
}

#[allow(clippy::needless_pass_by_value, reason = "the shape `map_err` wants")]
fn refused(refusal: Refusal) -> String {
    match refusal {
        Refusal::Taken => frames::error("NetStream.Publish.BadName", "the stream has a publisher"),
        Refusal::NotLive => {
            frames::error("NetStream.Play.StreamNotFound", "the stream is not live")
        }
        Refusal::Duplicate => frames::error("NetStream.Play.Failed", "the requestId is in use"),
        Refusal::Full => frames::error(
            "NetConnection.Connect.Rejected",
            "the node carries as many sessions as it can",
        ),
    }
}

fn failed(error: &MediaError) -> String {
    frames::error("Negotiation failed", &error.to_string())
}
