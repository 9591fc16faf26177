//! The node of an explicit `OPTIONS` is the node of the `POST` that comes after it.
//!
//! Red5's SDK asks for ICE servers with `OPTIONS` and then sends its offer. If a second lookup led
//! to another node, TURN credentials and session would disagree. The two do not even ask the same:
//! red5pro-webrtc-sdk 11.0.0 puts `transcode` on the `OPTIONS` only, and `region`, `strict` and
//! `endpoints` on the `POST` only. So both are one lookup, and where the `POST` adds nothing to it,
//! the answer is the one that was given.
//!
//! | the hints of both together | what the `POST` does |
//! |---|---|
//! | are those of the `OPTIONS` | the node that answered it goes first, and after it the others that were named |
//! | are more, or others | one lookup with all of them, the `POST`'s own winning |
//!
//! An affinity is used once, and only for the client that made it ([`crate::request::client_key`]).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ahash::RandomState;
use tokio::time::Instant;
use whipstitch_origin::{Candidates, Hints, Origin};

use crate::request::{client_key::ClientKey, message::Endpoint};

/// How long a client has from its `OPTIONS` to its `POST`.
const LIFE: Duration = Duration::from_secs(30);
/// Most clients remembered at once; the oldest is forgotten first.
const MAX_CLIENTS: usize = 10_000;

/// The node that answered each client's `OPTIONS`.
#[derive(Debug, Default)]
pub(crate) struct Affinity(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    clients: HashMap<ClientKey, Answered, RandomState>,
    /// In the order in which they expire; those that were used are still here.
    order: VecDeque<(Instant, ClientKey)>,
}

/// Where an `OPTIONS` was answered, and after what lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// The nodes that were named, the one that answered at the front.
    pub(crate) nodes: Candidates,
    /// The hints of the lookup.
    pub(crate) hints: Hints,
    until: Instant,
}

impl Affinity {
    /// This client's `OPTIONS` was answered by this node.
    pub(crate) fn remember(&self, client: ClientKey, node: &Origin, asked: &Endpoint) {
        let until = Instant::now() + LIFE;
        let answered = Answered {
            nodes: asked.candidates.led_by(node),
            hints: asked.lookup.hints.clone(),
            until,
        };
        let mut inner = self.lock();
        inner.make_room();
        inner.order.push_back((until, client.clone()));
        inner.clients.insert(client, answered);
    }

    /// Every `POST` is looked up anew.
    pub(crate) fn clear(&self) {
        *self.lock() = Inner::default();
    }

    /// The answer to this client's `OPTIONS`, for the one `POST` that may use it.
    pub(crate) fn take(&self, client: &ClientKey) -> Option<Answered> {
        let taken = self.lock().clients.remove(client);
        taken.filter(|answered| Instant::now() < answered.until)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Forgets what has expired or was used, and the oldest if there are too many.
    fn make_room(&mut self) {
        let now = Instant::now();
        while let Some((until, client)) = self.order.front() {
            let known = self.clients.get(client);
            let counts = known.is_some_and(|answered| answered.until == *until);
            if counts && now < *until && self.clients.len() < MAX_CLIENTS {
                return;
            }
            if let Some((_, client)) = self.order.pop_front()
                && counts
            {
                self.clients.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, uri::Authority};
    use tokio::time::advance;
    use whipstitch_origin::{AllowedOrigins, Claim, Lookup, config};
    use whipstitch_signaling::{Role, StreamKey};

    use super::*;
    use crate::{Exchange, Peer};

    fn client(role: Role, target: &str) -> ClientKey {
        let key = StreamKey::new("live", "s1").unwrap();
        let request = Request::options(target).body(()).unwrap();
        let peer = Peer::new("192.0.2.1:1000".parse().unwrap(), true);
        let exchange = Exchange::begin(request.headers(), Some(peer));
        ClientKey::of(role, &key, &request, &exchange).unwrap()
    }

    /// A node, and a lookup whose answer named this one and another.
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
    fn taken(affinity: &Affinity, client: &ClientKey) -> Option<Vec<String>> {
        let answered = affinity.take(client)?;
        let nodes = answered.nodes.iter();
        Some(nodes.map(|node| node.named().to_string()).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_for_one_post_of_its_own_client_within_thirty_seconds() {
        let affinity = Affinity::default();
        let player = |id| client(Role::Play, &format!("/x?requestId={id}&signal=true"));
        for (id, node) in [("a", 1), ("b", 2)] {
            let (answered, endpoint) = asked(node).await;
            affinity.remember(player(id), &answered, &endpoint);
        }
        advance(Duration::from_millis(29_999)).await;
        let nodes = taken(&affinity, &player("a")).unwrap();
        assert_eq!(nodes, ["10.0.0.1", "10.0.0.9"]);
        assert_eq!(taken(&affinity, &player("a")), None, "once");
        let publisher = client(Role::Publish, "/x?requestId=b");
        assert_eq!(taken(&affinity, &publisher), None, "another role");
        advance(Duration::from_millis(1)).await;
        assert_eq!(taken(&affinity, &player("b")), None, "too late");
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_clients_is_bounded_and_the_expired_are_forgotten() {
        let affinity = Affinity::default();
        let (answered, endpoint) = asked(1).await;
        for number in 0..11_000 {
            let player = client(Role::Play, &format!("/x?requestId={number}"));
            affinity.remember(player, &answered, &endpoint);
        }
        assert_eq!(affinity.lock().clients.len(), MAX_CLIENTS);
        assert_eq!(
            taken(&affinity, &client(Role::Play, "/x?requestId=9")),
            None
        );
        advance(LIFE).await;
        affinity.remember(client(Role::Play, "/x"), &answered, &endpoint);
        let inner = affinity.lock();
        assert_eq!((inner.clients.len(), inner.order.len()), (1, 1));
    }
}
