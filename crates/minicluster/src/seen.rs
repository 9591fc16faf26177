//! What the cluster has recorded: counters and a bounded list of requests, for tests to assert on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Method, Request};

use crate::stream::StreamKey;

/// How many requests are remembered; the oldest go first.
pub const REMEMBERED_REQUESTS: usize = 1024;
/// How many lookups are remembered; the oldest go first.
pub const REMEMBERED_LOOKUPS: usize = 16_384;
/// How many different lookups are counted apart.
const COUNTED_LOOKUPS: usize = 16_384;
/// How many pairs of server and method are counted apart: far more than honest clients make.
const COUNTED_METHODS: usize = 1024;

/// The server that got the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Server {
    /// The Stream Manager.
    Manager,
    /// The node of this number.
    Node(usize),
}

/// The two lookups of the event API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `action=broadcast`, with 2.0 `publish`: which node takes a publisher.
    Broadcast,
    /// `action=subscribe`, with 2.0 `subscribe`: which node serves a player.
    Subscribe,
}

/// A provision that a publish lookup has forwarded to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distributed {
    /// The guid of the provision, `live/stream1`.
    pub provision: String,
    /// The number of the node that got it.
    pub node: usize,
    /// The lookup that did it, as in [`Seen::lookup_targets`].
    pub lookup: String,
}

/// One request as it came off the wire.
#[derive(Debug, Clone)]
pub struct SeenRequest {
    /// The server that got the request.
    pub server: Server,
    /// The method.
    pub method: Method,
    /// Path and query, byte for byte.
    pub target: String,
    /// Every header, in order.
    pub headers: HeaderMap,
}

/// The cluster's memory, shared by its parts and read by tests.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requests: VecDeque<SeenRequest>,
    lookups: HashMap<(Action, StreamKey), u64>,
    asked: VecDeque<String>,
    distributed: VecDeque<Distributed>,
    methods: HashMap<(Server, Method), u64>,
    connections: HashMap<Server, u64>,
}

impl Seen {
    /// How often the manager was asked for this stream with this action.
    pub fn lookups(&self, action: Action, scope: &str, name: &str) -> u64 {
        self.lock()
            .lookups
            .get(&(action, StreamKey::new(scope, name)))
            .copied()
            .unwrap_or(0)
    }

    /// How often the manager was asked for anything.
    pub fn all_lookups(&self) -> u64 {
        self.lock().lookups.values().sum()
    }

    /// The lookups remembered (the last [`REMEMBERED_LOOKUPS`]), oldest first: path after `/event/`
    /// and query, byte for byte, `live/room1/stream1?action=broadcast&region=us-east-1`; of 2.0 the
    /// path after `/streams/stream/`, `default/publish/live/stream1?strict=true`.
    pub fn lookup_targets(&self) -> Vec<String> {
        self.lock().asked.iter().cloned().collect()
    }

    /// What publish lookups have forwarded to nodes (the last [`REMEMBERED_LOOKUPS`]), oldest
    /// first. A node that two lookups have named has got the provision twice.
    pub fn distributed(&self) -> Vec<Distributed> {
        self.lock().distributed.iter().cloned().collect()
    }

    /// How many requests of this method have come there so far, remembered or not.
    pub fn received(&self, server: Server, method: &Method) -> u64 {
        let of = (server, method.clone());
        self.lock().methods.get(&of).copied().unwrap_or(0)
    }

    /// TCP connections accepted there so far.
    pub fn connections(&self, server: Server) -> u64 {
        self.lock().connections.get(&server).copied().unwrap_or(0)
    }

    /// The requests remembered (the last [`REMEMBERED_REQUESTS`]), oldest first.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.lock().requests.iter().cloned().collect()
    }

    /// The requests remembered of one server, oldest first.
    pub fn requests_to(&self, server: Server) -> Vec<SeenRequest> {
        self.lock()
            .requests
            .iter()
            .filter(|request| request.server == server)
            .cloned()
            .collect()
    }

    /// Forget everything, counters too.
    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    pub(crate) fn request<B>(&self, server: Server, request: &Request<B>) {
        let mut inner = self.lock();
        let counted = inner.methods.len() < COUNTED_METHODS;
        let of = (server, request.method().clone());
        if counted || inner.methods.contains_key(&of) {
            *inner.methods.entry(of).or_default() += 1;
        }
        if inner.requests.len() >= REMEMBERED_REQUESTS {
            inner.requests.pop_front();
        }
        inner.requests.push_back(SeenRequest {
            server,
            method: request.method().clone(),
            target: request
                .uri()
                .path_and_query()
                .map_or_else(|| request.uri().to_string(), ToString::to_string),
            headers: request.headers().clone(),
        });
    }

    pub(crate) fn lookup(&self, action: Action, key: &StreamKey, path: &str, query: &str) {
        let mut inner = self.lock();
        if inner.asked.len() >= REMEMBERED_LOOKUPS {
            inner.asked.pop_front();
        }
        inner.asked.push_back(format!("{path}?{query}"));
        if inner.lookups.len() >= COUNTED_LOOKUPS {
            inner.lookups.clear();
        }
        *inner.lookups.entry((action, key.clone())).or_default() += 1;
    }

    pub(crate) fn provision(&self, distributed: Distributed) {
        let mut inner = self.lock();
        if inner.distributed.len() >= REMEMBERED_LOOKUPS {
            inner.distributed.pop_front();
        }
        inner.distributed.push_back(distributed);
    }

    pub(crate) fn connection(&self, server: Server) {
        *self.lock().connections.entry(server).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded() {
        let seen = Seen::default();
        for number in 0..=REMEMBERED_REQUESTS {
            seen.request(
                Server::Manager,
                &Request::get(format!("/{number}?a=%20")).body(()).unwrap(),
            );
        }
        let requests = seen.requests();
        assert_eq!(requests.len(), REMEMBERED_REQUESTS);
        assert_eq!(requests[0].target, "/1?a=%20");
        let all = u64::try_from(REMEMBERED_REQUESTS).unwrap() + 1;
        assert_eq!(seen.received(Server::Manager, &Method::GET), all);
        assert_eq!(seen.received(Server::Node(0), &Method::GET), 0);
        for number in 0..=REMEMBERED_LOOKUPS {
            let key = StreamKey::new("live", "s");
            seen.lookup(Action::Subscribe, &key, "live/s", &number.to_string());
        }
        assert_eq!(seen.lookup_targets().len(), REMEMBERED_LOOKUPS);
        assert_eq!(seen.lookup_targets()[0], "live/s?1");
        assert_eq!(seen.lookups(Action::Subscribe, "live", "s"), 16_385);
        seen.clear();
        assert!(seen.requests().is_empty());
        assert!(seen.lookup_targets().is_empty());
    }
}
