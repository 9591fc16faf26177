//! Passive outlier ejection: prefers nodes that work.
//!
//! A node that cannot be reached, or that fails several requests in a row, is ejected: while
//! another candidate exists, that one is tried first. Ejection is a preference, never a ban, so it
//! cannot make a cluster unreachable.
//!
//! | state | requests | leaves it |
//! |---|---|---|
//! | healthy | as the manager ordered the nodes | a failed connection, or `nodes.eject_after` failures in a row → ejected |
//! | ejected | only without another candidate | after its time, which doubles with each ejection → probing |
//! | probing | one a second as first choice | five good answers → healthy; one failure → ejected |

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use ahash::RandomState;
use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{
    Candidates, Cause, Metrics, Origin, Outcome, Seconds, config::Nodes, latency::Latency,
};

/// Maximum number of nodes that are tracked.
const MAX_NODES: u64 = 10_000;
/// Longest ejection.
const MAX_EJECTION: Duration = Duration::from_mins(5);
/// Time between two requests that probe a node.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Good answers that make a probing node healthy.
const PROBES: u32 = 5;
/// Time without an ejection after which the doubling starts over.
const FORGET_AFTER: Duration = Duration::from_mins(10);

/// Tracks nodes by the address that is dialled: of a node's two addresses, only one may work.
/// Clones share the state.
#[derive(Clone, Debug)]
pub struct Health {
    nodes: Cache<SocketAddr, Arc<Node>, RandomState>,
    ejections: Arc<Ejections>,
    eject_after: u32,
    eject_for: Duration,
    metrics: Metrics,
}

/// Lets the usual case, in which all nodes are healthy, skip the look at single nodes.
#[derive(Debug, Default)]
struct Ejections {
    /// Nodes that are not healthy. One that is evicted in that state stays counted, which only
    /// costs time.
    ejected: AtomicUsize,
    /// When a connection to any node last failed.
    unreachable_at: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Node {
    /// Empty until the manager names it: it was only dialled.
    named: OnceLock<IpAddr>,
    sessions: AtomicU64,
    failures: AtomicU64,
    connects: Latency,
    record: Mutex<Record>,
}

/// The failures of one node.
#[derive(Debug, Default)]
struct Record {
    in_a_row: u32,
    unreachable_at: Option<Instant>,
    ejected: Option<Ejected>,
    /// Number of ejections, and the time of the last one.
    times: u32,
    last: Option<Instant>,
    /// The last failure, and its time.
    failed: Option<(Cause, Instant)>,
    /// When the last request there had an outcome.
    tried: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Ejected {
    /// The first ejection since it was healthy.
    since: Instant,
    until: Instant,
    next_probe: Instant,
    good: u32,
}

/// The state of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlierState {
    /// In normal use.
    Healthy,
    /// Tried only without another candidate.
    Ejected {
        /// End of the ejection.
        until: Instant,
    },
    /// One request a second tries it.
    Probing,
}

/// One node, as operators see it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The address that the Stream Manager named.
    pub address: IpAddr,
    /// Sessions for which it was chosen first.
    pub sessions: u64,
    /// Failed requests.
    pub failures: u64,
    /// Its state.
    pub state: OutlierState,
    /// Recent ejections.
    pub ejections: u32,
    /// Time since it was last healthy; `None` while it is.
    pub unhealthy_for: Option<Duration>,
    /// The last failure, and how long ago it was.
    pub last_failure: Option<(Cause, Duration)>,
    /// How long ago a request there last had an outcome.
    pub last_tried: Option<Duration>,
    /// Connection times to it: median and 99th percentile.
    pub connect: Option<(Duration, Duration)>,
}

impl Health {
    /// All nodes start healthy.
    pub fn new(config: &Nodes, metrics: Metrics) -> Self {
        Self {
            nodes: Cache::builder()
                .max_capacity(MAX_NODES)
                .eviction_policy(EvictionPolicy::lru())
                .build_with_hasher(RandomState::new()),
            ejections: Arc::default(),
            eject_after: config.eject_after,
            eject_for: config.eject_for,
            metrics,
        }
    }

    /// Records the outcome of a request to a node.
    pub fn report(&self, origin: &Origin, outcome: Outcome) {
        if outcome == Outcome::Answered && !self.nodes.contains_key(&origin.addr()) {
            return;
        }
        let node = self.node(origin);
        let mut record = node.record();
        let now = Instant::now();
        record.tried = Some(now);
        let (cause, unreachable) = match outcome {
            Outcome::Answered => {
                if let Some(was) = record.answered(now) {
                    self.ejections.ejected.fetch_sub(1, Ordering::Relaxed);
                    log_healthy(origin, was, record.failed.as_ref());
                }
                return;
            }
            Outcome::Unable(cause) | Outcome::Silent(cause) => (cause, false),
            Outcome::Unreachable(cause) => (cause, true),
        };
        if unreachable {
            record.unreachable_at = Some(now);
            *self.ejections.unreachable_at() = Some(now);
        } else {
            record.in_a_row += 1;
        }
        self.metrics.node_failed(&cause);
        node.failures.fetch_add(1, Ordering::Relaxed);
        let enough = unreachable || record.in_a_row >= self.eject_after;
        let healthy = record.ejected.is_none();
        if let Some(time) = record.eject_if(enough, now, self.eject_for) {
            self.ejections
                .ejected
                .fetch_add(usize::from(healthy), Ordering::Relaxed);
            self.metrics.ejected();
            log_ejected(origin, Seconds(time), &cause, healthy);
        }
        record.failed = Some((cause, now));
    }

    /// When a connection to this node last failed, if that was after `since`.
    pub fn failed_since(&self, origin: &Origin, since: Instant) -> Option<Instant> {
        self.ejections.unreachable_at().filter(|at| *at > since)?;
        let node = self.nodes.get(&origin.addr())?;
        let at = node.record().unreachable_at;
        at.filter(|at| *at > since)
    }

    /// Whether none of these is healthy.
    pub fn all_ejected(&self, candidates: &Candidates) -> bool {
        self.ejections.ejected.load(Ordering::Relaxed) > 0
            && candidates.iter().all(|origin| {
                let node = self.nodes.get(&origin.addr());
                node.is_some_and(|node| node.record().ejected.is_some())
            })
    }

    /// The same candidates, ejected nodes last.
    pub fn order(&self, candidates: Candidates) -> Candidates {
        if candidates.len() == 1 || self.ejections.ejected.load(Ordering::Relaxed) == 0 {
            return candidates;
        }
        let now = Instant::now();
        let mut last = Vec::new();
        let mut first = Vec::new();
        for origin in candidates.iter() {
            let preferred = self.nodes.get(&origin.addr()).is_none_or(|node| {
                // A probe is spent only on a request that is really sent there.
                node.record().is_preferred(now, first.is_empty())
            });
            let side = if preferred { &mut first } else { &mut last };
            side.push(origin.clone());
        }
        if last.is_empty() {
            return candidates;
        }
        first.append(&mut last);
        Candidates::new(first).unwrap_or(candidates)
    }

    /// Records how long a connection to the node at this address took.
    pub fn connected(&self, node: SocketAddr, took: Duration) {
        self.metrics.connected(took);
        self.node_at(node).connects.observe(took);
    }

    /// Records that a session is sent to the first of these.
    pub fn chosen(&self, candidates: &Candidates) {
        if let Some(origin) = candidates.iter().next() {
            self.node(origin).sessions.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All tracked nodes.
    pub fn seen(&self) -> Vec<Seen> {
        let now = Instant::now();
        self.nodes
            .iter()
            .map(|(dialled, node)| {
                let record = node.record();
                Seen {
                    address: node.named.get().copied().unwrap_or(dialled.ip()),
                    sessions: node.sessions.load(Ordering::Relaxed),
                    failures: node.failures.load(Ordering::Relaxed),
                    state: record.state(now),
                    ejections: record.times,
                    unhealthy_for: record.ejected.map(|ejected| now - ejected.since),
                    last_failure: record
                        .failed
                        .as_ref()
                        .map(|(cause, at)| (cause.clone(), now - *at)),
                    last_tried: record.tried.map(|at| now - at),
                    connect: node
                        .connects
                        .quantile(0.5)
                        .zip(node.connects.quantile(0.99)),
                }
            })
            .collect()
    }

    fn node(&self, origin: &Origin) -> Arc<Node> {
        let node = self.node_at(origin.addr());
        node.named.get_or_init(|| origin.named());
        node
    }

    fn node_at(&self, addr: SocketAddr) -> Arc<Node> {
        self.nodes
            .get(&addr)
            .unwrap_or_else(|| self.nodes.get_with(addr, Arc::default))
    }
}

impl Ejections {
    fn unreachable_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.unreachable_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn state(&self, now: Instant) -> OutlierState {
        match self.ejected {
            None => OutlierState::Healthy,
            Some(Ejected { until, .. }) if now < until => OutlierState::Ejected { until },
            Some(_) => OutlierState::Probing,
        }
    }

    /// Records a good answer. Returns how long the node was not healthy, if this made it healthy.
    fn answered(&mut self, now: Instant) -> Option<Duration> {
        self.in_a_row = 0;
        let ejected = self
            .ejected
            .as_mut()
            .filter(|ejected| now >= ejected.until)?;
        ejected.good += 1;
        let (good, since) = (ejected.good, ejected.since);
        if good < PROBES {
            return None;
        }
        self.ejected = None;
        Some(now - since)
    }

    /// Ejects the node if it failed enough; a probing node is ejected by one failure. Returns the
    /// time of the ejection.
    fn eject_if(&mut self, enough: bool, now: Instant, base: Duration) -> Option<Duration> {
        match self.state(now) {
            OutlierState::Ejected { .. } => return None,
            OutlierState::Healthy if !enough => return None,
            OutlierState::Healthy | OutlierState::Probing => {}
        }
        if self.last.is_some_and(|last| now - last > FORGET_AFTER) {
            self.times = 0;
        }
        let time = base
            .saturating_mul(1 << self.times.min(16))
            .min(MAX_EJECTION.max(base));
        self.times += 1;
        self.last = Some(now);
        self.in_a_row = 0;
        let until = now + time;
        self.ejected = Some(Ejected {
            since: self.ejected.map_or(now, |ejected| ejected.since),
            until,
            next_probe: until,
            good: 0,
        });
        Some(time)
    }

    /// Whether the node is ordered before ejected nodes. `would_be_first`: the request would be
    /// sent to it.
    fn is_preferred(&mut self, now: Instant, would_be_first: bool) -> bool {
        match &mut self.ejected {
            None => true,
            Some(ejected) if would_be_first && now >= ejected.next_probe => {
                ejected.next_probe = now + PROBE_EVERY;
                true
            }
            Some(_) => false,
        }
    }
}

/// Warns when a healthy node is ejected; further ejections are logged as information.
fn log_ejected(node: &Origin, time: Seconds, cause: &Cause, was_healthy: bool) {
    let label = cause.label();
    if was_healthy {
        warn!(%node, cause = label, "node {node} ejected for {time}: {cause}; other nodes are tried first");
    } else {
        info!(%node, cause = label, "node {node} still fails, ejected for {time} more: {cause}");
    }
}

fn log_healthy(node: &Origin, was: Duration, failed: Option<&(Cause, Instant)>) {
    let was = Seconds(was);
    let cause = failed.map_or_else(String::new, |(cause, _)| {
        format!("; the last failure: {cause}")
    });
    info!(%node, "node {node} is healthy again after {was}{cause}");
}

#[cfg(test)]
mod tests;
