//! What is known of nodes and lookups, as JSON. No value that a client sent is shown, only keys.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::time::Instant;
use whipstitch_origin::{
    AllowedOrigins, Cached, Candidates, Health, Origin,
    cached::{Entry, Freshness},
    health::{Seen, Standing},
};
use whipstitch_signaling::Role;

use crate::app::Finding;

/// Most rows of one answer.
const MAX_ROWS: usize = 1_000;

/// Looks at what finds nodes.
#[derive(Clone, Debug)]
pub(crate) struct View {
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
    ejections: u32,
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
    pub(crate) fn new(finding: &Finding) -> Self {
        Self {
            allowed: finding.allowed.clone(),
            health: finding.health.clone(),
            directory: finding.directory.clone(),
        }
    }

    pub(crate) fn nodes(&self) -> Nodes {
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
        let (state, ejected_for_seconds) = match seen.standing {
            Standing::Healthy => ("healthy", None),
            Standing::Ejected { until } => ("ejected", Some(seconds(until - Instant::now()))),
            Standing::Returning => ("returning", None),
        };
        Self {
            sessions_sent: seen.sessions,
            failures: seen.failures,
            state,
            ejected_for_seconds,
            ejections: seen.ejections,
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
            ejections: 0,
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

/// Keeps the rows of one answer, in order. What is not shown is not sorted: `lookup.capacity` may be millions.
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
