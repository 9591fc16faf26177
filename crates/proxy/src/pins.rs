//! The node of an explicit `OPTIONS` is the node of the `POST` that comes after it.
//!
//! Red5's SDK asks for ICE servers with `OPTIONS` and then sends its offer. If a second lookup led to another node, TURN
//! credentials and session would disagree. The two do not even ask the same: red5pro-webrtc-sdk 11.0.0 puts `transcode`
//! on the `OPTIONS` only, and `region`, `strict` and `endpoints` on the `POST` only. So both are one question, and where
//! the `POST` adds nothing to it, the answer is the one that was given.
//!
//! | the hints of both together | what comes of it |
//! |---|---|
//! | are those of the `OPTIONS` | its node takes the `POST`; if it cannot, the manager is asked for others |
//! | are more, or others | one lookup with all of them, the `POST`'s own winning |
//!
//! A pin is used once, and only for the client that made it, who is told from others as for sessions without a token.

use std::{net::IpAddr, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::time::Instant;
use whipstitch_origin::Hints;

use crate::known_sessions::Client;

/// How long a client has from its `OPTIONS` to its `POST`.
const LIFE: Duration = Duration::from_secs(30);
/// Most clients remembered at once.
const MAX_PINS: u64 = 10_000;

/// Which client was led where a moment ago.
pub(crate) struct Pins(Cache<Client, Pin>);

/// Where an `OPTIONS` was led, and by which question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    /// The node, by the address that the manager names.
    pub(crate) node: IpAddr,
    /// The hints of the question.
    pub(crate) hints: Hints,
    until: Instant,
}

impl Pins {
    pub(crate) fn new() -> Self {
        let pins = Cache::builder()
            .max_capacity(MAX_PINS)
            .eviction_policy(EvictionPolicy::lru())
            // The broom; how long one counts is measured below, with tokio's clock.
            .time_to_live(LIFE * 2);
        Self(pins.build())
    }

    /// This client's `OPTIONS` was answered by this node.
    pub(crate) fn remember(&self, client: Client, node: IpAddr, hints: Hints) {
        let until = Instant::now() + LIFE;
        self.0.insert(client, Pin { node, hints, until });
    }

    /// Where this client was led, for the one `POST` that may use it.
    pub(crate) fn take(&self, client: &Client) -> Option<Pin> {
        self.0
            .remove(client)
            .filter(|pin| Instant::now() < pin.until)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use tokio::time::advance;
    use whipstitch_signaling::{Role, StreamKey};

    use super::*;
    use crate::{Exchange, Peer, known_sessions::KnownSessions};

    /// Tells clients apart as the proxy does.
    struct Doorman(KnownSessions);

    impl Doorman {
        fn new() -> Self {
            Self(KnownSessions::new(true, LIFE))
        }

        fn client(&self, role: Role, target: &str, forwarded: bool) -> Option<Client> {
            let key = StreamKey::new("live", "s1").unwrap();
            let mut request = Request::options(target);
            if forwarded {
                request = request.header("x-forwarded-for", "192.0.2.7");
            }
            let request = request.body(()).unwrap();
            let peer = Peer::new("192.0.2.1:1000".parse().unwrap(), true);
            let exchange = Exchange::begin(request.headers(), Some(peer));
            self.0.client(role, &key, &request, &exchange)
        }
    }

    fn node(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[tokio::test(start_paused = true)]
    async fn a_pin_is_for_one_post_of_its_own_client_within_thirty_seconds() {
        let (doorman, pins) = (Doorman::new(), Pins::new());
        let player = |id| {
            doorman
                .client(Role::Play, &format!("/x?requestId={id}&signal=true"), false)
                .unwrap()
        };
        pins.remember(player("a"), node(1), Hints::default());
        pins.remember(player("b"), node(2), Hints::default());
        advance(LIFE - Duration::from_millis(1)).await;
        assert_eq!(pins.take(&player("a")).map(|pin| pin.node), Some(node(1)));
        assert_eq!(pins.take(&player("a")), None, "once");
        let publisher = doorman.client(Role::Publish, "/x?requestId=b", false);
        assert_eq!(pins.take(&publisher.unwrap()), None, "another role");
        advance(Duration::from_millis(1)).await;
        assert_eq!(pins.take(&player("b")), None, "too late");
    }

    #[tokio::test]
    async fn nothing_is_pinned_for_a_crowd_behind_a_forwarder() {
        assert_eq!(Doorman::new().client(Role::Publish, "/x", true), None);
    }

    #[tokio::test]
    async fn there_is_an_end_to_what_is_remembered() {
        let (doorman, pins) = (Doorman::new(), Pins::new());
        for number in 0..11_000 {
            let target = format!("/x?requestId={number}");
            let client = doorman.client(Role::Play, &target, false).unwrap();
            pins.remember(client, node(1), Hints::default());
        }
        pins.0.run_pending_tasks();
        assert!(pins.0.entry_count() <= MAX_PINS);
    }
}
