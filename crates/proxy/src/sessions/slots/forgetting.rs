//! What slots forget: by age, and when there are too many.

use std::{collections::BTreeSet, time::Duration};

use super::{Class, Gone, Slots};
use crate::sessions::slot::Number;

impl<S: Clone> Slots<S> {
    /// Forgets what is `lifetime` old, whose URLs are refused by now.
    pub(in crate::sessions) fn expire(
        &mut self,
        now: Duration,
        lifetime: Duration,
    ) -> Vec<Gone<S>> {
        let mut expired = Vec::new();
        while let Some((&number, slot)) = self.by_age.first_key_value() {
            let rank = self.entries.get(slot).and_then(|entry| entry.rank);
            if rank.is_some_and(|(_, since)| now.saturating_sub(since) < lifetime) {
                break;
            }
            expired.push(self.forget(number));
        }
        expired
    }

    /// What would be forgotten first: the oldest of the first class that there is.
    pub(in crate::sessions) fn expendable(&self) -> Option<(Class, Number)> {
        let oldest = |of: &BTreeSet<Number>, class| Some((class, *of.first()?));
        // With neither, all of them are publishers.
        let publisher = || Some((Class::Publisher, *self.by_age.first_key_value()?.0));
        oldest(&self.closed, Class::Closed)
            .or_else(|| oldest(&self.players, Class::Player))
            .or_else(publisher)
    }

    /// Forgets the slot of this number. What is in flight stays.
    pub(in crate::sessions) fn forget(&mut self, number: Number) -> Gone<S> {
        let Some(slot) = self.by_age.remove(&number) else {
            return Gone::default();
        };
        self.closed.remove(&number);
        self.players.remove(&number);
        let Some(entry) = self.entries.get_mut(&*slot) else {
            return Gone::default();
        };
        let gone = Gone {
            closed: entry.current.take().map(|one| one.session),
            lingering: entry.lingering.take(),
        };
        (entry.newest, entry.rank) = (None, None);
        entry.history = Vec::new();
        if entry.is_empty() {
            self.entries.remove(&*slot);
        }
        gone
    }
}
