//! What operators see of the remembered answers, and how they drop them.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use whipstitch_signaling::StreamKey;

use super::{
    Cached,
    remembered::{Freshness, Remembered},
};
use crate::{Candidates, Lookup, LookupError, Origin};

/// One lookup and its answer, as operators see it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The question.
    pub lookup: Arc<Lookup>,
    /// The nodes, or that there are none.
    pub answer: Result<Candidates, LookupError>,
    /// How long ago it was given.
    pub age: Duration,
    /// What it is good for.
    pub freshness: Freshness,
    /// Sessions that were given it.
    pub uses: usize,
    /// How many more it may be used for; unlimited if `None`.
    pub uses_left: Option<usize>,
}

impl Cached {
    /// How many answers are remembered.
    pub fn len(&self) -> u64 {
        // The cache counts when it has something to do; a person who looks wants what is there now.
        self.0.answers.run_pending_tasks();
        self.0.answers.entry_count()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops what is remembered of one stream, or of all: the manager is asked at the next request,
    /// and there is nothing to go back to if it does not answer. How many answers that were.
    pub fn drop_answers(&self, of: Option<&StreamKey>) -> usize {
        self.drop_where(|lookup, _| of.is_none_or(|key| lookup.key == *key))
    }

    /// Drops every answer that names a node of which `holds` says no.
    pub fn drop_unless(&self, holds: impl Fn(&Origin) -> bool) -> usize {
        let names_another = |remembered: &Remembered| match remembered.answer() {
            Ok(nodes) => !nodes.iter().all(&holds),
            Err(_) => false,
        };
        self.drop_where(|_, remembered| names_another(remembered))
    }

    fn drop_where(&self, about: impl Fn(&Lookup, &Remembered) -> bool) -> usize {
        let dropped: Vec<_> = self
            .0
            .answers
            .iter()
            .filter(|(lookup, remembered)| about(lookup, remembered))
            .map(|(lookup, _)| lookup)
            .collect();
        for lookup in &dropped {
            self.0.answers.invalidate(&**lookup);
            // What is on its way now was asked before.
            self.0.forgotten.insert((**lookup).clone(), Instant::now());
        }
        dropped.len()
    }

    /// What is remembered at present, in no order.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |(lookup, remembered): (Arc<Lookup>, Arc<Remembered>)| {
            let (uses, uses_left) = remembered.uses();
            Entry {
                answer: remembered.answer().clone(),
                age: remembered.said().elapsed(),
                freshness: remembered.freshness(self.0.over(&lookup, &remembered)),
                uses,
                uses_left,
                lookup,
            }
        };
        self.0.answers.iter().map(entry).collect()
    }
}
