//! The view of the cache for operators, and how they clear it.

use std::{sync::Arc, time::Duration};

use whipstitch_signaling::StreamKey;

use super::{
    Cached,
    entry::{CacheEntry, Freshness},
};
use crate::{Candidates, Lookup, LookupError, Origin};

/// One cache entry, as operators see it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The question.
    pub lookup: Arc<Lookup>,
    /// The nodes, or that there are none.
    pub answer: Result<Candidates, LookupError>,
    /// How long ago it arrived.
    pub age: Duration,
    /// Its state by age.
    pub freshness: Freshness,
    /// Sessions that used it.
    pub uses: usize,
    /// Uses left; unlimited if `None`.
    pub uses_left: Option<usize>,
}

impl Cached {
    /// The number of entries.
    pub fn len(&self) -> u64 {
        self.0.answers.len()
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops the entries of one stream, or all: the next request asks the manager, without a stale
    /// answer to fall back to. Returns how many entries were dropped.
    pub fn drop_answers(&self, of: Option<&StreamKey>) -> usize {
        self.drop_where(|lookup, _| of.is_none_or(|key| lookup.key == *key))
    }

    /// Drops every entry that names a node for which `holds` is false.
    pub fn drop_unless(&self, holds: impl Fn(&Origin) -> bool) -> usize {
        let names_another = |cached: &CacheEntry| match cached.answer() {
            Ok(nodes) => !nodes.iter().all(&holds),
            Err(_) => false,
        };
        self.drop_where(|_, cached| names_another(cached))
    }

    fn drop_where(&self, about: impl Fn(&Lookup, &CacheEntry) -> bool) -> usize {
        let dropped: Vec<_> = self
            .0
            .answers
            .iter()
            .filter(|(lookup, cached)| about(lookup, cached))
            .map(|(lookup, _)| lookup)
            .collect();
        for lookup in &dropped {
            self.0.answers.remove(lookup);
            // An answer in flight was asked for before this, and must not be cached as fresh.
            self.0.forgotten.note(lookup);
        }
        dropped.len()
    }

    /// All entries, in no order.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |(lookup, cached): (Arc<Lookup>, Arc<CacheEntry>)| {
            let (uses, uses_left) = cached.uses();
            Entry {
                answer: cached.answer().clone(),
                age: cached.answered_at().elapsed(),
                freshness: cached.freshness(self.0.invalidated_at(&lookup, &cached)),
                uses,
                uses_left,
                lookup,
            }
        };
        self.0.answers.iter().map(entry).collect()
    }
}
