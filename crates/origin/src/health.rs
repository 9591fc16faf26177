//! Which nodes do not do their part: passive outlier ejection.
//!
//! A node that cannot be reached, or fails several requests in a row, is ejected: as long as there
//! is another candidate, that one is tried first. Ejection is a preference, never a ban, so it
//! cannot make a cluster unreachable. The way back is slow: the time doubles with each ejection,
//! then one request a second tries the node, and only some good answers in a row make it a node
//! like any other.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{
    Candidates, Cause, Metrics, Origin, Outcome, Seconds, config::Nodes, latency::Latency,
};

/// Most nodes remembered at once.
const MAX_NODES: u64 = 10_000;
/// Longest ejection.
const LONGEST: Duration = Duration::from_mins(5);
/// Time between two requests that try a node on its way back.
const TRIAL_EVERY: Duration = Duration::from_secs(1);
/// Good answers on the way back until a node is one like any other.
const TRIALS: u32 = 5;
/// Time without an ejection after which earlier ones count no more.
const FORGIVEN: Duration = Duration::from_mins(10);

/// What is known of the nodes' conduct, by the address that is dialled: where a node has two, one
/// may lead there and the other not. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct Health {
    nodes: Cache<SocketAddr, Arc<Node>>,
    trouble: Arc<Trouble>,
    eject_after: u32,
    eject_for: Duration,
    metrics: Metrics,
}

/// Whether there is any need to look at single nodes: as a rule there is none.
#[derive(Debug, Default)]
struct Trouble {
    /// Nodes that are not like any other. One that is forgotten in that state is counted on, which
    /// costs time only.
    ejected: AtomicUsize,
    /// When a node was last not reached.
    unreachable_at: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Node {
    /// Nobody has named it yet: it was only dialled.
    named: OnceLock<IpAddr>,
    sessions: AtomicU64,
    failures: AtomicU64,
    connects: Latency,
    conduct: Mutex<Conduct>,
}

/// What matters for the choice.
#[derive(Debug, Default)]
struct Conduct {
    in_a_row: u32,
    unreachable_at: Option<Instant>,
    ejected: Option<Ejected>,
    /// How often it was ejected, and when last.
    times: u32,
    last: Option<Instant>,
    /// How it last failed, and when.
    failed: Option<(Cause, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Ejected {
    /// When it was ejected for the first time since it was healthy.
    since: Instant,
    until: Instant,
    next_trial: Instant,
    good: u32,
}

/// How a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Like any other.
    Healthy,
    /// Tried only if there is no other.
    Ejected {
        /// Until when.
        until: Instant,
    },
    /// On its way back: tried once a second.
    Returning,
}

/// One node, for whoever looks.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The address that the Stream Manager named.
    pub address: IpAddr,
    /// Sessions for which it was chosen first.
    pub sessions: u64,
    /// Requests that it failed.
    pub failures: u64,
    /// How it stands.
    pub standing: Standing,
    /// How often it was ejected lately.
    pub ejections: u32,
    /// How long it has not been healthy; `None` if it is.
    pub unhealthy_for: Option<Duration>,
    /// How it last failed, and how long ago.
    pub last_failure: Option<(Cause, Duration)>,
    /// The time within which one half, and 99 of 100, of the connections to it came about.
    pub connect: Option<(Duration, Duration)>,
}

impl Health {
    /// Every node is healthy at first.
    pub fn new(config: &Nodes, metrics: Metrics) -> Self {
        Self {
            nodes: Cache::builder()
                .max_capacity(MAX_NODES)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            trouble: Arc::default(),
            eject_after: config.eject_after,
            eject_for: config.eject_for,
            metrics,
        }
    }

    /// Notes what became of a request to a node.
    pub fn report(&self, origin: &Origin, outcome: Outcome) {
        if outcome == Outcome::Answered && !self.nodes.contains_key(&origin.addr()) {
            return;
        }
        let node = self.node(origin);
        let mut conduct = node.conduct();
        let now = Instant::now();
        let (cause, unreachable) = match outcome {
            Outcome::Answered => {
                if let Some(was) = conduct.answered(now) {
                    self.trouble.ejected.fetch_sub(1, Ordering::Relaxed);
                    tell_back(origin, was, conduct.failed.as_ref());
                }
                return;
            }
            Outcome::Unable(cause) | Outcome::Silent(cause) => (cause, false),
            Outcome::Unreachable(cause) => (cause, true),
        };
        if unreachable {
            conduct.unreachable_at = Some(now);
            *self.trouble.unreachable_at() = Some(now);
        } else {
            conduct.in_a_row += 1;
        }
        self.metrics.node_failed(&cause);
        node.failures.fetch_add(1, Ordering::Relaxed);
        let enough = unreachable || conduct.in_a_row >= self.eject_after;
        let healthy = conduct.ejected.is_none();
        if let Some(time) = conduct.eject_if(enough, now, self.eject_for) {
            self.trouble
                .ejected
                .fetch_add(usize::from(healthy), Ordering::Relaxed);
            self.metrics.ejected();
            tell_ejected(origin, Seconds(time), &cause, healthy);
        }
        conduct.failed = Some((cause, now));
    }

    /// When a node was last not reached, if that was since then.
    pub fn failed_since(&self, origin: &Origin, since: Instant) -> Option<Instant> {
        self.trouble.unreachable_at().filter(|at| *at > since)?;
        let node = self.nodes.get(&origin.addr())?;
        let at = node.conduct().unreachable_at;
        at.filter(|at| *at > since)
    }

    /// Whether none of these is like any other node.
    pub fn all_ejected(&self, candidates: &Candidates) -> bool {
        self.trouble.ejected.load(Ordering::Relaxed) > 0
            && candidates.iter().all(|origin| {
                let node = self.nodes.get(&origin.addr());
                node.is_some_and(|node| node.conduct().ejected.is_some())
            })
    }

    /// The same candidates, those that are ejected last.
    pub fn order(&self, candidates: Candidates) -> Candidates {
        if candidates.len() == 1 || self.trouble.ejected.load(Ordering::Relaxed) == 0 {
            return candidates;
        }
        let now = Instant::now();
        let mut last = Vec::new();
        let mut first = Vec::new();
        for origin in candidates.iter() {
            let preferred = self.nodes.get(&origin.addr()).is_none_or(|node| {
                // A trial is spent only on a request that really goes there.
                node.conduct().is_preferred(now, first.is_empty())
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

    /// Notes how long a connection to the node at this address took.
    pub fn connected(&self, node: SocketAddr, took: Duration) {
        self.metrics.connected(took);
        self.node_at(node).connects.observe(took);
    }

    /// Notes that a session is sent to the first of these.
    pub fn chosen(&self, candidates: &Candidates) {
        if let Some(origin) = candidates.iter().next() {
            self.node(origin).sessions.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All nodes of which something is known.
    pub fn seen(&self) -> Vec<Seen> {
        let now = Instant::now();
        self.nodes
            .iter()
            .map(|(dialled, node)| {
                let conduct = node.conduct();
                Seen {
                    address: node.named.get().copied().unwrap_or(dialled.ip()),
                    sessions: node.sessions.load(Ordering::Relaxed),
                    failures: node.failures.load(Ordering::Relaxed),
                    standing: conduct.standing(now),
                    ejections: conduct.times,
                    unhealthy_for: conduct.ejected.map(|ejected| now - ejected.since),
                    last_failure: conduct
                        .failed
                        .as_ref()
                        .map(|(cause, at)| (cause.clone(), now - *at)),
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

impl Trouble {
    fn unreachable_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.unreachable_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    fn conduct(&self) -> MutexGuard<'_, Conduct> {
        self.conduct.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conduct {
    fn standing(&self, now: Instant) -> Standing {
        match self.ejected {
            None => Standing::Healthy,
            Some(Ejected { until, .. }) if now < until => Standing::Ejected { until },
            Some(_) => Standing::Returning,
        }
    }

    /// A good answer; how long the node was not healthy, if it is again by this answer.
    fn answered(&mut self, now: Instant) -> Option<Duration> {
        self.in_a_row = 0;
        let ejected = self
            .ejected
            .as_mut()
            .filter(|ejected| now >= ejected.until)?;
        ejected.good += 1;
        let (good, since) = (ejected.good, ejected.since);
        if good < TRIALS {
            return None;
        }
        self.ejected = None;
        Some(now - since)
    }

    /// Ejects for a time if there is reason to; a node on its way back needs no more than one
    /// failure.
    fn eject_if(&mut self, enough: bool, now: Instant, base: Duration) -> Option<Duration> {
        match self.standing(now) {
            Standing::Ejected { .. } => return None,
            Standing::Healthy if !enough => return None,
            Standing::Healthy | Standing::Returning => {}
        }
        if self.last.is_some_and(|last| now - last > FORGIVEN) {
            self.times = 0;
        }
        let time = base
            .saturating_mul(1 << self.times.min(16))
            .min(LONGEST.max(base));
        self.times += 1;
        self.last = Some(now);
        self.in_a_row = 0;
        let until = now + time;
        self.ejected = Some(Ejected {
            since: self.ejected.map_or(now, |ejected| ejected.since),
            until,
            next_trial: until,
            good: 0,
        });
        Some(time)
    }

    /// Whether the node stands before those that are ejected. `would_be_first`: the request would
    /// go there.
    fn is_preferred(&mut self, now: Instant, would_be_first: bool) -> bool {
        match &mut self.ejected {
            None => true,
            Some(ejected) if would_be_first && now >= ejected.next_trial => {
                ejected.next_trial = now + TRIAL_EVERY;
                true
            }
            Some(_) => false,
        }
    }
}

/// One warning when a healthy node is ejected. That it goes on being ejected is no news.
fn tell_ejected(node: &Origin, time: Seconds, cause: &Cause, was_healthy: bool) {
    let label = cause.label();
    if was_healthy {
        warn!(%node, cause = label, "node {node} ejected for {time}: {cause}; other nodes are tried first");
    } else {
        info!(%node, cause = label, "node {node} still fails, ejected for {time} more: {cause}");
    }
}

fn tell_back(node: &Origin, was: Duration, failed: Option<&(Cause, Instant)>) {
    let was = Seconds(was);
    let cause = failed.map_or_else(String::new, |(cause, _)| {
        format!("; the last failure: {cause}")
    });
    info!(%node, "node {node} is healthy again after {was}{cause}");
}

#[cfg(test)]
mod tests;
