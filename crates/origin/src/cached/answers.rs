//! The stored answers, in four parts, so that made-up names and hints evict no answer about a live
//! stream.
//!
//! | part | holds | bound |
//! |---|---|---|
//! | proven | nodes to play from, and of publishes that came about | `lookup.capacity` |
//! | hinted | nodes to play from, by the client's own hints: it can make up any number for one stream | `lookup.capacity` |
//! | unproven | nodes for a publish: the manager names some for every name | `lookup.capacity` |
//! | negative | "no such stream" | [`NEGATIVES`], for `lookup.negative_ttl` |

use std::{sync::Arc, time::Duration};

use ahash::RandomState;
use moka::{policy::EvictionPolicy, sync::Cache};
use whipstitch_signaling::{Role, StreamKey};

use super::entry::{CacheEntry, SETTLING};
use crate::{Lookup, config};

/// Maximum number of "no such stream".
const NEGATIVES: u64 = 1_000;

/// A lookup, and its answer.
type Answered = (Arc<Lookup>, Arc<CacheEntry>);

/// Answers by lookup.
type Lookups = Cache<Lookup, Arc<CacheEntry>, RandomState>;

/// The answers. Their TTLs only bound memory: freshness is checked on every read.
pub(super) struct Answers {
    proven: Lookups,
    hinted: Lookups,
    /// The last one of each stream.
    unproven: Cache<StreamKey, Answered, RandomState>,
    negative: Lookups,
}

impl Answers {
    pub(super) fn new(config: &config::Lookup) -> Self {
        let longest = config.play_ttl + config.stale_for;
        Self {
            proven: bounded(config.capacity, longest),
            hinted: bounded(config.capacity, longest),
            unproven: Cache::builder()
                .max_capacity(config.capacity)
                // A flood cannot evict an answer before its publish has come about.
                .eviction_policy(EvictionPolicy::lru())
                .time_to_idle(longest)
                .build_with_hasher(RandomState::new()),
            negative: bounded(NEGATIVES, config.negative_ttl.max(SETTLING)),
        }
    }

    pub(super) fn get(&self, lookup: &Lookup) -> Option<Arc<CacheEntry>> {
        let nodes = self
            .known(lookup)
            .get(lookup)
            .or_else(|| self.unproven(lookup));
        match (nodes, self.negative.get(lookup)) {
            // Two answers at once: the one to the later question counts.
            (Some(nodes), Some(none)) if none.asked() > nodes.asked() => Some(none),
            (nodes, none) => nodes.or(none),
        }
    }

    pub(super) fn insert(&self, lookup: &Lookup, entry: Arc<CacheEntry>) {
        if entry.answer().is_err() {
            self.negative.insert(lookup.clone(), entry);
            self.remove_nodes(lookup);
            return;
        }
        let known = self.known(lookup);
        if lookup.role == Role::Play || known.contains_key(lookup) {
            known.insert(lookup.clone(), entry);
        } else {
            let answered = (Arc::new(lookup.clone()), entry);
            self.unproven.insert(lookup.key.clone(), answered);
        }
        self.negative.invalidate(lookup);
    }

    /// A publish of this stream came about.
    pub(super) fn published(&self, stream: &StreamKey) {
        if let Some((lookup, entry)) = self.unproven.remove(stream) {
            self.proven.insert((*lookup).clone(), entry);
        }
    }

    pub(super) fn remove(&self, lookup: &Lookup) {
        self.remove_nodes(lookup);
        self.negative.invalidate(lookup);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Answered> {
        let unproven = self.unproven.iter().map(|(_, answered)| answered);
        self.proven
            .iter()
            .chain(self.hinted.iter())
            .chain(unproven)
            .chain(self.negative.iter())
    }

    pub(super) fn len(&self) -> u64 {
        let counted = |cache: &Lookups| {
            // moka updates its counts lazily.
            cache.run_pending_tasks();
            cache.entry_count()
        };
        self.unproven.run_pending_tasks();
        let nodes = counted(&self.proven) + counted(&self.hinted) + self.unproven.entry_count();
        nodes + counted(&self.negative)
    }

    /// The part for nodes that can carry the stream.
    fn known(&self, lookup: &Lookup) -> &Lookups {
        match lookup.role {
            Role::Play if !lookup.hints.as_str().is_empty() => &self.hinted,
            Role::Play | Role::Publish => &self.proven,
        }
    }

    fn unproven(&self, lookup: &Lookup) -> Option<Arc<CacheEntry>> {
        let (answered, entry) = self.unproven.get(&lookup.key)?;
        (*answered == *lookup).then_some(entry)
    }

    fn remove_nodes(&self, lookup: &Lookup) {
        self.known(lookup).invalidate(lookup);
        if self.unproven(lookup).is_some() {
            self.unproven.invalidate(&lookup.key);
        }
    }
}

fn bounded(capacity: u64, idle: Duration) -> Lookups {
    Cache::builder()
        .max_capacity(capacity)
        .time_to_idle(idle)
        .build_with_hasher(RandomState::new())
}
