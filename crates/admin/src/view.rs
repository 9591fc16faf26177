//! `GET /nodes` and `GET /lookups`. No value of a client's query is shown, only its keys.

mod judged;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use tokio::time::Instant;
use whipstitch_origin::{
    AllowedOrigins, Cached, Candidates, Health, Origin,
    cached::{Entry, Freshness},
    health::{OutlierState, Seen},
};
use whipstitch_signaling::{Role, StreamKey};

use super::answer::{fine_millis, unix_ms};

pub use self::judged::NodeCounts;
pub(crate) use self::judged::{EjectedNode, JudgedNodes};

/// Most rows of one answer.
const MAX_ROWS: usize = 1_000;

/// Reads the state of nodes and cached lookups.
#[derive(Clone, Debug)]
pub struct View {
    allowed: Arc<AllowedOrigins>,
    health: Health,
    directory: Arc<Cached>,
}

/// `GET /nodes`
#[derive(Debug, Serialize)]
pub(crate) struct Nodes {
    /// How many there are; at most 1000 are shown, in the order of their addresses.
    total: usize,
    nodes: Vec<Node>,
}

#[derive(Debug, Serialize)]
struct Node {
    /// As the Stream Manager names it.
    address: IpAddr,
    /// Since when the Stream Manager has not named it; null if that is too long ago to count.
    named_seconds_ago: Option<f64>,
    /// Sessions for which it was chosen first.
    sessions_sent: u64,
    /// Requests that it failed.
    failures: u64,
    state: &'static str,
    ejected_for_seconds: Option<f64>,
    ejected_until_at: Option<u64>,
    /// Since when it is ejected, or on its way back; null if it is healthy.
    unhealthy_since_at: Option<u64>,
    ejections: u32,
    /// Sessions that it has now, as far as they came through here.
    sessions: usize,
    /// Within which one half, and 99 of 100, of the connections to it came about; to a power of
    /// two.
    connect_p50_ms: Option<f64>,
    connect_p99_ms: Option<f64>,
    /// Why it last failed: `connection refused`, `timeout after 2 s`, `HTTP status 503`.
    last_error: Option<String>,
    last_error_at: Option<u64>,
}

/// `GET /lookups`
#[derive(Debug, Serialize)]
pub(crate) struct Lookups {
    /// How many there are; at most 1000 are shown, the youngest first.
    total: usize,
    lookups: Vec<Lookup>,
}

#[derive(Debug, Serialize)]
struct Lookup {
    role: &'static str,
    stream: String,
    hints: Vec<String>,
    /// The network whose clients share the answer; null if all clients do.
    network: Option<String>,
    answer: &'static str,
    age_seconds: f64,
    state: &'static str,
    /// Sessions that were given it.
    uses: usize,
    /// Null if there is no limit.
    uses_left: Option<usize>,
    candidates: Vec<IpAddr>,
}

impl View {
    /// A view of these.
    pub fn new(allowed: Arc<AllowedOrigins>, health: Health, directory: Arc<Cached>) -> Self {
        Self {
            allowed,
            health,
            directory,
        }
    }

    /// Number of cache entries.
    pub fn cached(&self) -> u64 {
        self.directory.len()
    }

    /// Drops the cache entries of one stream, or of all; how many were dropped.
    pub(crate) fn forget(&self, of: Option<&StreamKey>) -> usize {
        self.directory.drop_answers(of)
    }

    /// The nodes that have sessions or may get some.
    pub(crate) fn nodes(&self, sessions: &BTreeMap<IpAddr, usize>) -> Nodes {
        let mut nodes: BTreeMap<IpAddr, Node> = self
            .health
            .seen()
            .iter()
            .map(|seen| (seen.address, Node::of(seen)))
            .collect();
        for (address, ago) in self.allowed.named() {
            nodes
                .entry(address)
                .or_insert_with(|| Node::unused(address))
                .named_seconds_ago = Some(seconds(ago));
        }
        for (address, sessions) in sessions {
            nodes
                .entry(*address)
                .or_insert_with(|| Node::unused(*address))
                .sessions = *sessions;
        }
        Nodes {
            total: nodes.len(),
            nodes: nodes.into_values().take(MAX_ROWS).collect(),
        }
    }

    pub(crate) fn lookups(&self) -> Lookups {
        let mut entries = self.directory.entries();
        let total = entries.len();
        youngest(&mut entries, |entry| entry.age);
        Lookups {
            total,
            lookups: entries.iter().map(Lookup::of).collect(),
        }
    }
}

impl Node {
    fn of(seen: &Seen) -> Self {
        let now = SystemTime::now();
        let (state, ejected_for) = match seen.state {
            OutlierState::Healthy => ("healthy", None),
            OutlierState::Ejected { until } => ("ejected", Some(until - Instant::now())),
            OutlierState::Probing => ("returning", None),
        };
        Self {
            sessions_sent: seen.sessions,
            failures: seen.failures,
            state,
            ejected_for_seconds: ejected_for.map(seconds),
            ejected_until_at: ejected_for.map(|left| unix_ms(now + left)),
            unhealthy_since_at: seen.unhealthy_for.map(|ago| unix_ms(now - ago)),
            ejections: seen.ejections,
            connect_p50_ms: seen.connect.map(|(half, _)| fine_millis(half)),
            connect_p99_ms: seen.connect.map(|(_, most)| fine_millis(most)),
            last_error: seen
                .last_failure
                .as_ref()
                .map(|(cause, _)| cause.to_string()),
            last_error_at: seen
                .last_failure
                .as_ref()
                .map(|(_, ago)| unix_ms(now - *ago)),
            ..Self::unused(seen.address)
        }
    }

    fn unused(address: IpAddr) -> Self {
        Self {
            address,
            named_seconds_ago: None,
            sessions_sent: 0,
            failures: 0,
            state: "healthy",
            ejected_for_seconds: None,
            ejected_until_at: None,
            unhealthy_since_at: None,
            ejections: 0,
            sessions: 0,
            connect_p50_ms: None,
            connect_p99_ms: None,
            last_error: None,
            last_error_at: None,
        }
    }
}

impl Lookup {
    fn of(entry: &Entry) -> Self {
        let candidates = entry.answer.iter().flat_map(Candidates::iter);
        Self {
            role: match entry.lookup.role {
                Role::Publish => "publish",
                Role::Play => "play",
            },
            stream: entry.lookup.key.to_string(),
            hints: entry.lookup.hints.keys().map(str::to_owned).collect(),
            network: entry.lookup.network().map(|network| network.to_string()),
            answer: if entry.answer.is_ok() {
                "found"
            } else {
                "not_found"
            },
            age_seconds: seconds(entry.age),
            state: match entry.freshness {
                Freshness::Fresh => "fresh",
                Freshness::Aging => "aging",
                Freshness::Stale => "stale",
                Freshness::Gone => "gone",
            },
            uses: entry.uses,
            uses_left: entry.uses_left,
            candidates: candidates.map(Origin::named).collect(),
        }
    }
}

/// Keeps the rows of one answer, in order. What is not shown is not sorted: `lookup.capacity` may
/// be millions.
fn youngest<T>(all: &mut Vec<T>, age: impl Fn(&T) -> Duration) {
    if all.len() > MAX_ROWS {
        all.select_nth_unstable_by_key(MAX_ROWS, &age);
        all.truncate(MAX_ROWS);
    }
    all.sort_unstable_by_key(age);
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
pub(super) mod tests;
