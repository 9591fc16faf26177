//! One WebRTC session of a node: its role, and how its connection is driven.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::SdpPendingOffer;
use str0m::channel::ChannelId;
use str0m::media::{KeyframeRequestKind, MediaKind};
use str0m::net::Transmit;
use str0m::{Event, IceConnectionState, Input, Output, Rtc};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::lines::Lines;
use super::{Frame, MediaEvent};
use crate::registry::{SessionId, Tracks};

/// A session that has not connected by then is over.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// Publishers are asked for key frames at most this often.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(400);

/// Events of a session that concern other sessions.
pub(super) enum Happening {
    Frame(Box<Frame>),
    /// This player needs a key frame.
    WantsKeyframe(SessionId),
    /// The peer asked, over the data channel, for its session to end.
    Unpublish(SessionId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Connecting,
    Up,
    Closing,
}

pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) rtc: Rtc,
    pub(super) pending: Option<SdpPendingOffer>,
    pub(super) deadline: Instant,
    publisher: bool,
    lines: Lines,
    link: Link,
    connect_by: Instant,
    /// A player's picture starts with a key frame: until then, nothing of it can be decoded.
    awaits_keyframe: bool,
    asked_keyframe: Option<Instant>,
    events: mpsc::Sender<MediaEvent>,
}

impl Session {
    pub(super) fn new(
        id: SessionId,
        rtc: Rtc,
        publisher: bool,
        lines: Lines,
        events: mpsc::Sender<MediaEvent>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            rtc,
            pending: None,
            deadline: now,
            publisher,
            lines,
            link: Link::Connecting,
            connect_by: now + CONNECT_WITHIN,
            awaits_keyframe: true,
            asked_keyframe: None,
            events,
        }
    }

    pub(super) fn alive(&self, now: Instant) -> bool {
        self.rtc.is_alive() && (self.link != Link::Connecting || now < self.connect_by)
    }

    /// Close towards the peer (RTCP BYE, DTLS close); the next `drive` sends it.
    pub(super) fn close(&mut self) {
        if self.link != Link::Closing {
            self.link = Link::Closing;
            let _ = self.rtc.close();
        }
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        if let Err(error) = self.rtc.handle_input(input) {
            tracing::debug!(%error, "media session failed");
            self.rtc.disconnect();
        }
    }

    /// Drain the connection's output: datagrams to the socket, the rest to `happenings`.
    pub(super) fn drive(&mut self, socket: &UdpSocket, happenings: &mut VecDeque<Happening>) {
        while self.rtc.is_alive() {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = at;
                    return;
                }
                Ok(Output::Transmit(datagram)) => transmit(socket, &datagram),
                Ok(Output::Event(event)) => self.event(event, happenings),
                Err(error) => {
                    tracing::debug!(%error, "media session failed");
                    self.rtc.disconnect();
                }
            }
        }
    }

    fn event(&mut self, event: Event, happenings: &mut VecDeque<Happening>) {
        match event {
            Event::Connected => {
                self.link = Link::Up;
                if !self.publisher && self.lines.video.is_some() {
                    happenings.push_back(Happening::WantsKeyframe(self.id));
                }
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.rtc.disconnect();
            }
            Event::MediaData(data) if self.publisher => {
                let kind = if Some(data.mid) == self.lines.audio {
                    MediaKind::Audio
                } else if Some(data.mid) == self.lines.video {
                    MediaKind::Video
                } else {
                    return;
                };
                if kind.is_video() && !data.contiguous {
                    self.ask_keyframe(data.network_time);
                }
                happenings.push_back(Happening::Frame(Box::new(Frame {
                    publisher: self.id,
                    kind,
                    params: data.params,
                    time: data.time,
                    arrived: data.network_time,
                    keyframe: data.is_keyframe(),
                    data: data.data,
                })));
            }
            Event::KeyframeRequest(_) => happenings.push_back(Happening::WantsKeyframe(self.id)),
            Event::ChannelOpen(..) => {
                let _ = self.events.try_send(MediaEvent::ChannelOpen);
            }
            Event::ChannelData(data) if !data.binary => {
                self.channel_text(data.id, &data.data, happenings);
            }
            _ => {}
        }
    }

    /// After the switch the SDK sends the same messages over the data channel as over the
    /// WebSocket.
    fn channel_text(
        &mut self,
        channel: ChannelId,
        text: &[u8],
        happenings: &mut VecDeque<Happening>,
    ) {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(text) else {
            return;
        };
        let Some(name) = message.get("unpublish").and_then(serde_json::Value::as_str) else {
            return;
        };
        let stopping = crate::frames::stopping(name);
        if let Some(mut channel) = self.rtc.channel(channel) {
            let _ = channel.write(false, stopping.as_bytes());
        }
        happenings.push_back(Happening::Unpublish(self.id));
    }

    /// Ask the publisher's encoder for a key frame.
    pub(super) fn ask_keyframe(&mut self, now: Instant) {
        let asked_recently = self
            .asked_keyframe
            .is_some_and(|at| now.saturating_duration_since(at) < KEYFRAME_INTERVAL);
        let Some(mid) = self
            .lines
            .video
            .filter(|_| self.publisher && !asked_recently)
        else {
            return;
        };
        if let Some(mut writer) = self.rtc.writer(mid)
            && writer
                .request_keyframe(None, KeyframeRequestKind::Pli)
                .is_ok()
        {
            self.asked_keyframe = Some(now);
        }
    }

    /// Whether this player should ask for a key frame (again).
    pub(super) fn wants_keyframe(&self) -> bool {
        !self.publisher
            && self.link == Link::Up
            && self.awaits_keyframe
            && self.lines.video.is_some()
    }

    /// Send one frame to this player. Frames it cannot decode, or has not negotiated, are left out.
    pub(super) fn send(&mut self, frame: &Frame) {
        let Some(mid) = (if frame.kind.is_audio() {
            self.lines.audio
        } else {
            self.lines.video
        }) else {
            return;
        };
        if self.link != Link::Up {
            return;
        }
        if frame.kind.is_video() && self.awaits_keyframe {
            if !frame.keyframe {
                return;
            }
            self.awaits_keyframe = false;
        }
        let Some(writer) = self.rtc.writer(mid) else {
            return;
        };
        let Some(pt) = writer.match_params(frame.params) else {
            return;
        };
        if !writer.payload_params().any(|params| params.pt() == pt) {
            return;
        }
        if let Err(error) = writer.write(pt, frame.arrived, frame.time, frame.data.clone()) {
            tracing::debug!(%error, "a frame was not sent");
        }
    }

    /// What this publisher sends, as negotiated.
    pub(super) fn tracks(&mut self) -> Tracks {
        let mut codecs = Vec::new();
        for mid in [self.lines.audio, self.lines.video].into_iter().flatten() {
            if let Some(writer) = self.rtc.writer(mid) {
                codecs.extend(writer.payload_params().map(|params| params.spec().codec));
            }
        }
        codecs.sort_by_key(|codec| format!("{codec:?}"));
        codecs.dedup();
        Tracks {
            audio: self.lines.audio.is_some(),
            video: self.lines.video.is_some(),
            codecs,
        }
    }
}

/// A datagram that the socket cannot take at once is lost, as on any network.
fn transmit(socket: &UdpSocket, datagram: &Transmit) {
    let to: SocketAddr = datagram.destination;
    if let Err(error) = socket.try_send_to(&datagram.contents, to) {
        tracing::trace!(%error, %to, "datagram not sent");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use crate::stream::StreamKey;

    #[test]
    fn a_session_that_never_connects_ends() {
        let now = Instant::now();
        let registry = Registry::new();
        let id = registry.reserve_publisher(0, &StreamKey::new("live", "s"));
        let rtc = Rtc::builder()
            .set_crypto_provider(str0m::crypto::from_feature_flags().into())
            .build(now);
        let (events, _) = mpsc::channel(1);
        let session = Session::new(id.unwrap(), rtc, true, Lines::default(), events, now);
        assert!(session.alive(now + Duration::from_secs(29)));
        assert!(!session.alive(now + CONNECT_WITHIN));
    }
}
