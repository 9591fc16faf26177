//! The node of an explicit `OPTIONS` is the node of the `POST` that comes after it.
//!
//! Red5's SDK asks for ICE servers with `OPTIONS` and then sends its offer. If a second lookup led
//! to another node, TURN credentials and session would disagree. The two do not even ask the same:
//! red5pro-webrtc-sdk 11.0.0 puts `transcode` on the `OPTIONS` only, and `region`, `strict` and
//! `endpoints` on the `POST` only. So both are one question, and where the `POST` adds nothing to
//! it, the answer is the one that was given.
//!
//! | the hints of both together | what comes of it |
//! |---|---|
//! | are those of the `OPTIONS` | the node that answered it goes first, and after it the others that were named |
//! | are more, or others | one lookup with all of them, the `POST`'s own winning |
//!
//! A pin is used once, and only for the client that made it, who is told from others as for
//! sessions without a token.

use std::time::Duration;

use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::time::Instant;
use whipstitch_origin::{Candidates, Hints, Origin};

use crate::{request::message::Endpoint, sessions::known_sessions::Client};

/// How long a client has from its `OPTIONS` to its `POST`.
const LIFE: Duration = Duration::from_secs(30);
/// Most clients remembered at once.
const MAX_PINS: u64 = 10_000;

/// Which client was led where a moment ago.
pub(crate) struct Pins(Cache<Client, Pin>);

/// Where an `OPTIONS` was led, and by which question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    /// The nodes that were named, the one that answered at the front.
    pub(crate) nodes: Candidates,
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
    pub(crate) fn remember(&self, client: Client, answered: &Origin, asked: &Endpoint) {
        let pin = Pin {
            nodes: asked.candidates.led_by(answered),
            hints: asked.lookup.hints.clone(),
            until: Instant::now() + LIFE,
        };
        self.0.insert(client, pin);
    }

    /// Nobody was led anywhere.
    pub(crate) fn clear(&self) {
        self.0.invalidate_all();
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
    use http::{Request, uri::Authority};
    use tokio::time::advance;
    use whipstitch_origin::{AllowedOrigins, Claim, Lookup, config};
    use whipstitch_signaling::{Role, StreamKey};

    use super::*;
    use crate::{Exchange, Peer, sessions::known_sessions::KnownSessions};

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

    /// A node, and a question whose answer named this one and another.
    async fn asked(node: u8) -> (Origin, Endpoint) {
        let nodes = config::Nodes::default();
        let gate = AllowedOrigins::new(&nodes, whipstitch_origin::Metrics::default());
        let named = [
            gate.admit(Claim::Manager("10.0.0.9")).await.unwrap(),
            gate.admit(Claim::Manager(&format!("10.0.0.{node}")))
                .await
                .unwrap(),
        ];
        let endpoint = Endpoint {
            form: whipstitch_signaling::Form::Classic,
            lookup: Lookup::new(
                Role::Play,
                StreamKey::new("live", "s1").unwrap(),
                Hints::default(),
            ),
            candidates: Candidates::new(named.to_vec()).unwrap(),
            host: Authority::from_static("a"),
        };
        let [_, answered] = named;
        (answered, endpoint)
    }

    /// The nodes for this client's `POST`.
    fn led(pins: &Pins, client: &Client) -> Option<Vec<String>> {
        let pin = pins.take(client)?;
        Some(
            pin.nodes
                .iter()
                .map(|node| node.named().to_string())
                .collect(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_pin_is_for_one_post_of_its_own_client_within_thirty_seconds() {
        let (doorman, pins) = (Doorman::new(), Pins::new());
        let player = |id| {
            doorman
                .client(Role::Play, &format!("/x?requestId={id}&signal=true"), false)
                .unwrap()
        };
        for (id, node) in [("a", 1), ("b", 2)] {
            let (answered, endpoint) = asked(node).await;
            pins.remember(player(id), &answered, &endpoint);
        }
        advance(Duration::from_millis(29_999)).await;
        let nodes = led(&pins, &player("a")).unwrap();
        assert_eq!(nodes, ["10.0.0.1", "10.0.0.9"]);
        assert_eq!(led(&pins, &player("a")), None, "once");
        let publisher = doorman.client(Role::Publish, "/x?requestId=b", false);
        assert_eq!(led(&pins, &publisher.unwrap()), None, "another role");
        advance(Duration::from_millis(1)).await;
        assert_eq!(led(&pins, &player("b")), None, "too late");
    }

    #[tokio::test]
    async fn nothing_is_pinned_for_a_crowd_behind_a_forwarder() {
        assert_eq!(Doorman::new().client(Role::Publish, "/x", true), None);
    }

    #[tokio::test]
    async fn there_is_an_end_to_what_is_remembered() {
        let (doorman, pins) = (Doorman::new(), Pins::new());
        let (answered, endpoint) = asked(1).await;
        for number in 0..11_000 {
            let target = format!("/x?requestId={number}");
            let client = doorman.client(Role::Play, &target, false).unwrap();
            pins.remember(client, &answered, &endpoint);
        }
        pins.0.run_pending_tasks();
        assert!(pins.0.entry_count() <= MAX_PINS);
    }
}
