//! Counter-offers that a player does not understand.
//!
//! A Red5 node offers, and a player that made an offer itself gets that as a 406
//! (`forward/offer.rs`). One of them takes 406 for a codec that is missing:
//! `@eyevinn/webrtc-player` 0.13.0 (src/adapters/WHEPAdapter.ts, `sendOffer`) offers video without
//! audio, then audio without video, and so on without end, and each try leaves a session at the
//! node. On a 400 it leaves the offer to the server, which is what a Red5 node wants.
//!
//! So a client that answers a counter-offer with an offer of *less* is told so with a 400, and the
//! session that it does not use is ended. It has to be that client beyond doubt, for it could be
//! somebody else's session:
//!
//! - the same client ([`crate::sessions::known_sessions`]), over the same connection: many players
//!   are behind one address;
//! - not a word about the session since, answered or not, and no more than ten seconds;
//! - an offer without a kind of media that was offered to it: two players of one page would both
//!   offer all.
//!
//! Of a believed forwarder's connections nothing can be told. There its word for the address is
//! enough for the 400, which at worst costs another player of the same address one more POST; not
//! to end a session, which could be in use. So that is left to the node, which lets go of it when
//! no media come.

use std::{net::SocketAddr, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::time::Instant;
use whipstitch_origin::Origin;
use whipstitch_signaling::{Role, session::Session};

use crate::{Live, sessions::known_sessions::Client};

/// How long a client that understands a counter-offer may take to answer it: as long as it gathers
/// candidates.
const LIFE: Duration = Duration::from_secs(10);
/// Most clients remembered at once.
const MAX_CLIENTS: u64 = 10_000;

/// Who got a counter-offer a moment ago. Cheap to clone: all clones are one.
#[derive(Clone)]
pub(crate) struct Countered(Cache<Client, Counter>);

/// A counter-offer.
#[derive(Clone)]
pub(crate) struct Counter {
    /// The node that made it.
    pub(crate) origin: Origin,
    /// The session that it began.
    pub(crate) session: Session,
    /// What it offers.
    kinds: Kinds,
    connection: Option<SocketAddr>,
    until: Instant,
}

/// The kinds of media in a session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds {
    audio: bool,
    video: bool,
}

impl Counter {
    /// Whether the client that got it is told from all others.
    pub(crate) const fn is_of_one(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether this came instead of an answer to it: an offer, and one of less. Nothing is no
    /// offer.
    pub(crate) fn is_met_with_less(&self, offer: &[u8]) -> bool {
        !offer.is_empty() && Kinds::of(offer).lacks(self.kinds)
    }
}

impl Countered {
    pub(crate) fn new() -> Self {
        let clients = Cache::builder()
            .max_capacity(MAX_CLIENTS)
            .eviction_policy(EvictionPolicy::lru())
            // The broom; how long one counts is measured below, with tokio's clock.
            .time_to_live(LIFE * 2);
        Self(clients.build())
    }

    /// This client got a counter-offer over this connection.
    pub(crate) fn remember(
        &self,
        client: Client,
        connection: Option<SocketAddr>,
        (origin, session): (&Origin, &Session),
        kinds: Kinds,
    ) {
        let counter = Counter {
            origin: origin.clone(),
            session: session.clone(),
            kinds,
            connection,
            until: Instant::now() + LIFE,
        };
        self.0.insert(client, counter);
    }

    /// The counter-offer to which this client has not said a word.
    pub(crate) fn unanswered(
        &self,
        client: &Client,
        connection: Option<SocketAddr>,
        live: &Live,
    ) -> Option<Counter> {
        let counter = self.0.get(client)?;
        let is_unanswered = counter.connection == connection
            && Instant::now() < counter.until
            && live.is_silent(Role::Play, &counter.session);
        is_unanswered.then_some(counter)
    }

    /// It is not waited for any longer.
    pub(crate) fn forget(&self, client: &Client) {
        self.0.remove(client);
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
    use http::uri::PathAndQuery;
    use whipstitch_origin::{AllowedOrigins, Claim, Metrics, config::Nodes};
    use whipstitch_signaling::tag::Tag;

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

    #[tokio::test]
    async fn nothing_is_no_offer_of_less() {
        let allowed = AllowedOrigins::new(&Nodes::default(), Metrics::default());
        let counter = Counter {
            origin: allowed.admit(Claim::Manager("10.0.0.1")).await.unwrap(),
            session: Session {
                node: [10, 0, 0, 1].into(),
                resource: PathAndQuery::from_static("/live/whep/resource/s1"),
                issued_at: 1,
                tag: Tag::None,
            },
            kinds: Kinds::of(b"m=audio 9 x\r\nm=video 9 x\r\n"),
            connection: None,
            until: Instant::now(),
        };
        for (offer, is_less) in [("", false), ("v=0\r\n", true), ("m=video 9 x\r\n", true)] {
            assert_eq!(
                counter.is_met_with_less(offer.as_bytes()),
                is_less,
                "{offer}"
            );
        }
        assert!(!counter.is_of_one());
    }
}
