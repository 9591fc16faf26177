//! Negotiation of a node's sessions: offers, answers and candidates.

use std::time::Instant;

use str0m::change::{SdpAnswer, SdpOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind};
use str0m::{Candidate, Rtc, RtcConfig};
use tokio::sync::mpsc;

use super::lines::Lines;
use super::session::Session;
use super::task::MediaTask;
use super::{MediaError, MediaEvent, Plan, Published};
use crate::registry::{SessionId, Tracks};

/// The label of the data channel of Red5's SDK.
const CHANNEL: &str = "red5pro";

impl MediaTask {
    pub(super) fn publish(
        &mut self,
        id: SessionId,
        offer: SdpOffer,
        events: mpsc::Sender<MediaEvent>,
    ) -> Result<Published, MediaError> {
        let now = Instant::now();
        let config = Rtc::builder()
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .enable_h264(true);
        let mut rtc = self.rtc(config.set_ice_lite(true), now)?;
        let answer = rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(sdp_error)?
            .to_sdp_string();
        let lines = Lines::of_answer(&answer, "recvonly");
        let mut session = Session::new(id, rtc, true, lines, events, now);
        session.drive(&self.socket, &mut self.happenings);
        let tracks = session.tracks();
        self.sessions.insert(id, session);
        Ok(Published { answer, tracks })
    }

    pub(super) fn play(
        &mut self,
        id: SessionId,
        tracks: &Tracks,
        stream: &str,
        plan: Plan,
        events: mpsc::Sender<MediaEvent>,
    ) -> Result<String, MediaError> {
        let now = Instant::now();
        let config = Rtc::builder()
            .clear_codecs()
            .enable_opus(tracks.codecs.contains(&Codec::Opus), false)
            .enable_vp8(tracks.codecs.contains(&Codec::Vp8))
            .enable_h264(tracks.codecs.contains(&Codec::H264))
            // A player checks from the moment it has made its answer, before we have it. Chromium's
            // first checks come fast and the later ones each 900 ms, and a lite agent waits for one
            // that nominates: a second lost. With the offer ours, so is the nomination.
            .set_ice_lite(matches!(plan, Plan::Answer(_)));
        let mut rtc = self.rtc(config, now)?;
        let (sdp, lines, pending) = match plan {
            Plan::Answer(offer) => {
                let answer = rtc
                    .sdp_api()
                    .accept_offer(*offer)
                    .map_err(sdp_error)?
                    .to_sdp_string();
                let lines = Lines::of_answer(&answer, "sendonly");
                (answer, lines, None)
            }
            Plan::Offer { datachannel } => {
                let mut changes = rtc.sdp_api();
                let mut add = |kind| {
                    changes.add_media(
                        kind,
                        Direction::SendOnly,
                        Some(stream.to_owned()),
                        None,
                        None,
                    )
                };
                let audio = tracks.audio.then(|| add(MediaKind::Audio));
                let video = tracks.video.then(|| add(MediaKind::Video));
                if datachannel {
                    changes.add_channel(CHANNEL.to_owned());
                }
                let nothing = || MediaError::Sdp("the stream has no tracks".to_owned());
                let (offer, pending) = changes.apply().ok_or_else(nothing)?;
                (offer.to_sdp_string(), Lines { audio, video }, Some(pending))
            }
        };
        let mut session = Session::new(id, rtc, false, lines, events, now);
        session.pending = pending;
        session.drive(&self.socket, &mut self.happenings);
        self.sessions.insert(id, session);
        Ok(sdp)
    }

    fn rtc(&self, config: RtcConfig, now: Instant) -> Result<Rtc, MediaError> {
        let config = config.set_fingerprint_verification(self.check_fingerprints);
        let mut rtc = config.set_crypto_provider(self.crypto.clone()).build(now);
        let candidate = Candidate::host(self.address, "udp")
            .map_err(|error| MediaError::Sdp(error.to_string()))?;
        rtc.add_local_candidate(candidate);
        Ok(rtc)
    }

    pub(super) fn answer(&mut self, id: SessionId, answer: SdpAnswer) -> Result<(), MediaError> {
        let session = self.sessions.get_mut(&id).ok_or(MediaError::Gone)?;
        let pending = session
            .pending
            .take()
            .ok_or_else(|| MediaError::Sdp("no offer waits for an answer".to_owned()))?;
        session
            .rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .map_err(sdp_error)?;
        session.drive(&self.socket, &mut self.happenings);
        Ok(())
    }

    pub(super) fn candidate(&mut self, id: SessionId, candidate: &str) {
        // Names (mDNS) and other kinds of candidates are neither supported nor needed here.
        if let (Some(session), Ok(candidate)) = (
            self.sessions.get_mut(&id),
            Candidate::from_sdp_string(candidate),
        ) {
            session.rtc.add_remote_candidate(candidate);
            session.drive(&self.socket, &mut self.happenings);
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape `map_err` wants")]
fn sdp_error(error: str0m::RtcError) -> MediaError {
    MediaError::Sdp(error.to_string())
}
