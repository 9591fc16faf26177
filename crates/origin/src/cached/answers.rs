//! The stored answers, in three parts, so that made-up names evict no answer about a live stream.
//!
//! | part | holds | bound |
//! |---|---|---|
//! | proven | nodes to play from, and of publishes that came about | `lookup.capacity` |
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

/// The answers. Their TTLs only bound memory: freshness is checked on every read.
pub(super) struct Answers {
    proven: Cache<Lookup, Arc<CacheEntry>, RandomState>,
    /// The last one of each stream.
    unproven: Cache<StreamKey, Answered, RandomState>,
    negative: Cache<Lookup, Arc<CacheEntry>, RandomState>,
}

impl Answers {
    pub(super) fn new(config: &config::Lookup) -> Self {
        let longest = config.play_ttl + config.stale_for;
        Self {
            proven: bounded(config.capacity, longest),
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
        let nodes = self.proven.get(lookup).or_else(|| self.unproven(lookup));
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
        if lookup.role == Role::Play || self.proven.contains_key(lookup) {
            self.proven.insert(lookup.clone(), entry);
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
            .chain(unproven)
            .chain(self.negative.iter())
    }

    pub(super) fn len(&self) -> u64 {
        // moka updates its counts lazily.
        self.proven.run_pending_tasks();
        self.unproven.run_pending_tasks();
        self.negative.run_pending_tasks();
        self.proven.entry_count() + self.unproven.entry_count() + self.negative.entry_count()
    }

    fn unproven(&self, lookup: &Lookup) -> Option<Arc<CacheEntry>> {
        let (answered, entry) = self.unproven.get(&lookup.key)?;
        (*answered == *lookup).then_some(entry)
    }

    fn remove_nodes(&self, lookup: &Lookup) {
        self.proven.invalidate(lookup);
        if self.unproven(lookup).is_some() {
            self.unproven.invalidate(&lookup.key);
        }
    }
}

fn bounded(capacity: u64, idle: Duration) -> Cache<Lookup, Arc<CacheEntry>, RandomState> {
    Cache::builder()
        .max_capacity(capacity)
        .time_to_idle(idle)
        .build_with_hasher(RandomState::new())
}
