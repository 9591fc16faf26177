//! Counter-offers that a player does not understand.
//!
//! A Red5 node offers, and a player that made an offer itself gets that as a 406
//! (`forward/offer.rs`). One of them takes 406 for a codec that is missing:
//! `@eyevinn/webrtc-player` 0.13.0 (src/adapters/WHEPAdapter.ts, `sendOffer`) offers video without
//! audio, then audio without video, and so forth without end, and each try makes a session at the
//! node. On a 400 it leaves the offer to the server, which is what a Red5 node wants.
//!
//! So a client that answers a counter-offer with an offer of *less* gets a 400, and the session
//! that it does not use is ended. It has to be that client beyond doubt, since it could be another
//! client's session:
//!
//! - the same client ([`crate::request::client_key`]), over the same connection: many players are
//!   behind one address;
//! - no request for the session since, answered or not, and no more than ten seconds;
//! - an offer without a kind of media that was offered to it: two players of one page would both
//!   offer all.
//!
//! A trusted proxy's connections tell clients apart no further. There the address that it reports
//! is enough for the 400, which at worst costs another player of the same address one more POST;
//! not to end a session, which could be in use. The node ends that when no media come.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::view::SessionView;

/// How long a client that understands a counter-offer may take to answer it: as long as it gathers
/// candidates.
const LIFE: Duration = Duration::from_secs(10);

/// A counter-offer that a client got.
#[derive(Clone, Debug)]
pub(crate) struct CounterOffer {
    /// The session that it began.
    pub(crate) session: Arc<SessionView>,
    /// What it offers.
    kinds: Kinds,
    /// The connection, where that distinguishes clients.
    connection: Option<SocketAddr>,
    until: Instant,
}

/// The kinds of media in a session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds {
    audio: bool,
    video: bool,
}

impl CounterOffer {
    pub(super) fn new(
        session: Arc<SessionView>,
        connection: Option<SocketAddr>,
        kinds: Kinds,
    ) -> Self {
        Self {
            session,
            kinds,
            connection,
            until: Instant::now() + LIFE,
        }
    }

    /// Whether the client on this connection still has to answer it.
    pub(super) fn is_unanswered(&self, connection: Option<SocketAddr>) -> bool {
        self.connection == connection
            && Instant::now() < self.until
            && self.session.traffic().is_silent()
    }

    /// Whether its client is told from all others.
    pub(crate) const fn is_of_one_client(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether this came instead of an answer to it: an offer, and one of less. An empty body is no
    /// offer.
    pub(super) fn is_met_with_less(&self, offer: &[u8]) -> bool {
        !offer.is_empty() && Kinds::of(offer).lacks(self.kinds)
    }
}

impl Kinds {
    /// Those of a session description that are not refused, which a port of 0 says (RFC 9429
    /// §5.3.1, RFC 3264 §6).
    pub(crate) fn of(sdp: &[u8]) -> Self {
        let holds = |kind: &[u8]| {
            let mut lines = sdp.split(|byte| matches!(byte, b'\n' | b'\r'));
            lines.any(|line| {
                let port = line.strip_prefix(kind);
                port.is_some_and(|port| !port.starts_with(b"0 "))
            })
        };
        Self {
            audio: holds(b"m=audio "),
            video: holds(b"m=video "),
        }
    }

    /// Whether there is a kind in `other` that is not here.
    const fn lacks(self, other: Self) -> bool {
        (other.audio && !self.audio) || (other.video && !self.video)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_that_are_not_refused() {
        let both = Kinds::of(b"v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nm=video 9 x 96\r\n");
        let video = Kinds::of(b"v=0\nm=audio 0 x 111\nm=video 0 x 96\nm=video 9 x 97\ns=m=audio 9");
        let audio = Kinds::of(b"m=audio 49170 x 111\r\nm=application 9 x y\r\n");
        assert!(video.lacks(both) && audio.lacks(both) && video.lacks(audio) && audio.lacks(video));
        for kinds in [both, video, audio] {
            assert!(!both.lacks(kinds) && !kinds.lacks(kinds) && !kinds.lacks(Kinds::of(b"")));
        }
    }
}
