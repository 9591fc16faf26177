//! The half of a peer that is a task: it drives one WebRTC connection over one UDP socket, and
//! makes the frames.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::crypto::{CryptoProvider, from_feature_flags};
use str0m::format::{Codec, PayloadParams};
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{Counts, PeerError};

const AUDIO_EVERY: Duration = Duration::from_millis(20);
const VIDEO_EVERY: Duration = Duration::from_micros(33_333);
/// Key frames come at least this often, in frames.
const KEYFRAME_EVERY: u64 = 90;
const DATAGRAM: usize = 2048;
/// Data channel messages kept.
const MESSAGES: usize = 16;
/// How long a closing session may take to close.
const GOODBYE: Duration = Duration::from_millis(500);

type Reply<T> = oneshot::Sender<Result<T, PeerError>>;

pub(super) enum Ask {
    Offer(Reply<String>),
    Accept(String, Reply<String>),
    Answer(String, Reply<()>),
    Say(String, Reply<()>),
    Close,
}

pub(super) struct Engine {
    socket: UdpSocket,
    address: SocketAddr,
    crypto: Arc<CryptoProvider>,
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    publishes: bool,
    datachannel: bool,
    channel: Option<ChannelId>,
    audio: Option<Mid>,
    video: Option<Mid>,
    wants_keyframe: bool,
    next_audio: Instant,
    next_video: Instant,
    deadline: Instant,
    close_by: Option<Instant>,
    counts: watch::Sender<Counts>,
}

impl Engine {
    /// Bind a socket on `ip`; gives the engine and its candidate.
    pub(super) async fn open(
        ip: IpAddr,
        publishes: bool,
        datachannel: bool,
        counts: watch::Sender<Counts>,
    ) -> io::Result<(Self, String)> {
        let socket = UdpSocket::bind((ip, 0)).await?;
        let address = socket.local_addr()?;
        let crypto = Arc::new(from_feature_flags());
        let now = Instant::now();
        let (rtc, candidate) = connection(&crypto, address, now).map_err(io::Error::other)?;
        let engine = Self {
            socket,
            address,
            crypto,
            rtc,
            pending: None,
            publishes,
            datachannel,
            channel: None,
            audio: None,
            video: None,
            wants_keyframe: true,
            next_audio: now,
            next_video: now,
            deadline: now,
            close_by: None,
            counts,
        };
        Ok((engine, candidate))
    }

    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>, until: CancellationToken) {
        let mut buffer = vec![0; DATAGRAM];
        while self.rtc.is_alive() && self.close_by.is_none_or(|by| Instant::now() < by) {
            let wake = self.wake();
            tokio::select! {
                () = until.cancelled() => break,
                Some(ask) = asks.recv() => self.ask(ask),
                received = self.socket.recv_from(&mut buffer) => if let Ok((length, source)) = received {
                    self.datagram(buffer.get(..length).unwrap_or_default(), source);
                },
                () = tokio::time::sleep_until(wake.into()) => self.advance(Instant::now()),
            }
            self.drive();
        }
        self.counts.send_modify(|counts| counts.ended = true);
    }

    fn wake(&self) -> Instant {
        let mut wake = self.deadline;
        if self.sends() {
            wake = wake.min(self.next_audio).min(self.next_video);
        }
        self.close_by.map_or(wake, |by| wake.min(by))
    }

    fn sends(&self) -> bool {
        self.publishes && self.counts.borrow().connected
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Offer(reply) => {
                let _ = reply.send(self.offer());
            }
            Ask::Accept(offer, reply) => {
                let _ = reply.send(self.accept(&offer));
            }
            Ask::Answer(answer, reply) => {
                let _ = reply.send(self.answer(&answer));
            }
            Ask::Say(text, reply) => {
                let _ = reply.send(self.send_text(&text));
            }
            Ask::Close => {
                self.close_by = Some(Instant::now() + GOODBYE);
                let _ = self.rtc.close();
            }
        }
    }

    fn offer(&mut self) -> Result<String, PeerError> {
        let direction = if self.publishes {
            Direction::SendOnly
        } else {
            Direction::RecvOnly
        };
        let mut changes = self.rtc.sdp_api();
        self.audio = Some(changes.add_media(MediaKind::Audio, direction, None, None, None));
        self.video = Some(changes.add_media(MediaKind::Video, direction, None, None, None));
        if self.datachannel {
            changes.add_channel("red5pro".to_owned());
        }
        let (offer, pending) = changes
            .apply()
            .ok_or_else(|| PeerError::Sdp("there is nothing to offer".to_owned()))?;
        self.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    fn accept(&mut self, offer: &str) -> Result<String, PeerError> {
        let offer =
            SdpOffer::from_sdp_string(offer).map_err(|error| PeerError::Sdp(error.to_string()))?;
        if self.pending.take().is_some() {
            let (rtc, _) = connection(&self.crypto, self.address, Instant::now())
                .map_err(|error| sdp(&error))?;
            (self.rtc, self.audio, self.video) = (rtc, None, None);
        }
        Ok(self
            .rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|error| sdp(&error))?
            .to_sdp_string())
    }

    fn answer(&mut self, answer: &str) -> Result<(), PeerError> {
        let answer = SdpAnswer::from_sdp_string(answer)
            .map_err(|error| PeerError::Sdp(error.to_string()))?;
        let pending = self
            .pending
            .take()
            .ok_or_else(|| PeerError::Sdp("no answer is due".to_owned()))?;
        self.rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .map_err(|error| sdp(&error))
    }

    fn send_text(&mut self, text: &str) -> Result<(), PeerError> {
        let mut channel = self
            .channel
            .and_then(|id| self.rtc.channel(id))
            .ok_or(PeerError::Ended)?;
        match channel.write(false, text.as_bytes()) {
            Ok(true) => Ok(()),
            _ => Err(PeerError::Ended),
        }
    }

    fn datagram(&mut self, bytes: &[u8], source: SocketAddr) {
        let Ok(contents) = bytes.try_into() else {
            return;
        };
        let receive = Receive {
            proto: Protocol::Udp,
            source,
            destination: self.address,
            contents,
        };
        self.input(Input::Receive(Instant::now(), receive));
    }

    fn input(&mut self, input: Input<'_>) {
        if self.rtc.handle_input(input).is_err() {
            self.rtc.disconnect();
        }
    }

    fn advance(&mut self, now: Instant) {
        if self.deadline <= now {
            self.input(Input::Timeout(now));
            self.drive();
        }
        if self.sends() {
            self.send_due(now);
        }
    }

    /// Send the frames that are due.
    fn send_due(&mut self, now: Instant) {
        if self.next_audio <= now {
            let number = self.counts.borrow().audio;
            let time = MediaTime::new(number * 960, Frequency::FORTY_EIGHT_KHZ);
            if self.send(self.audio, Codec::Opus, now, time, vec![0xfc; 80]) {
                self.counts.send_modify(|counts| counts.audio += 1);
            }
            self.next_audio = (self.next_audio + AUDIO_EVERY).max(now);
        }
        if self.next_video <= now {
            let number = self.counts.borrow().video;
            let keyframe = self.wants_keyframe || number.is_multiple_of(KEYFRAME_EVERY);
            if self.send(
                self.video,
                Codec::Vp8,
                now,
                MediaTime::from_90khz(number * 3000),
                picture(keyframe),
            ) {
                self.wants_keyframe = false;
                self.counts.send_modify(|counts| {
                    counts.video += 1;
                    counts.keyframes += u64::from(keyframe);
                });
            }
            self.next_video = (self.next_video + VIDEO_EVERY).max(now);
        }
    }

    fn send(
        &mut self,
        mid: Option<Mid>,
        codec: Codec,
        now: Instant,
        time: MediaTime,
        data: Vec<u8>,
    ) -> bool {
        let Some(writer) = mid.and_then(|mid| self.rtc.writer(mid)) else {
            return false;
        };
        let Some(pt) = writer
            .payload_params()
            .find(|params| params.spec().codec == codec)
            .map(PayloadParams::pt)
        else {
            return false;
        };
        let sent = writer.write(pt, now, time, data).is_ok();
        self.drive();
        sent
    }

    fn drive(&mut self) {
        while self.rtc.is_alive() {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = at;
                    return;
                }
                Ok(Output::Transmit(datagram)) => {
                    let _ = self
                        .socket
                        .try_send_to(&datagram.contents, datagram.destination);
                }
                Ok(Output::Event(event)) => self.event(event),
                Err(_) => self.rtc.disconnect(),
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Connected => {
                let now = Instant::now();
                (self.next_audio, self.next_video) = (now, now);
                self.counts.send_modify(|counts| counts.connected = true);
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.rtc.disconnect();
            }
            Event::MediaAdded(added) => {
                let slot = if added.kind.is_audio() {
                    &mut self.audio
                } else {
                    &mut self.video
                };
                slot.get_or_insert(added.mid);
            }
            Event::MediaData(data) => {
                let (video, keyframe) = (Some(data.mid) == self.video, data.is_keyframe());
                self.counts.send_modify(|counts| {
                    *(if video {
                        &mut counts.video
                    } else {
                        &mut counts.audio
                    }) += 1;
                    counts.keyframes += u64::from(keyframe);
                });
            }
            Event::KeyframeRequest(_) => {
                self.wants_keyframe = true;
                self.counts
                    .send_modify(|counts| counts.keyframe_requests += 1);
            }
            Event::ChannelOpen(id, label) => {
                self.channel = Some(id);
                self.counts
                    .send_modify(|counts| counts.channel = Some(label));
            }
            Event::ChannelData(data) => {
                let text = String::from_utf8_lossy(&data.data).into_owned();
                self.counts.send_modify(|counts| {
                    if counts.messages.len() >= MESSAGES {
                        counts.messages.remove(0);
                    }
                    counts.messages.push(text);
                });
            }
            _ => {}
        }
    }
}

fn connection(
    crypto: &Arc<CryptoProvider>,
    address: SocketAddr,
    now: Instant,
) -> Result<(Rtc, String), RtcError> {
    let config = Rtc::builder().set_crypto_provider(crypto.clone());
    let mut rtc = config
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(true)
        .enable_h264(true)
        .build(now);
    let candidate = Candidate::host(address, "udp")?;
    let text = candidate.to_sdp_string();
    rtc.add_local_candidate(candidate);
    Ok((rtc, text))
}

fn sdp(error: &RtcError) -> PeerError {
    PeerError::Sdp(error.to_string())
}

/// A frame that starts as VP8 frames do (RFC 6386 §9.1): the lowest bit marks key frames, which
/// also carry a start code and their size, here 640 by 360.
fn picture(keyframe: bool) -> Vec<u8> {
    let mut frame = if keyframe {
        vec![0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]
    } else {
        vec![0x11, 0x02, 0x00]
    };
    frame.resize(if keyframe { 3000 } else { 900 }, 0x55);
    frame
}
