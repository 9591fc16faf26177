//! Which sessions vanished, judged by the lists of published streams: pure, without clock and I/O.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use whipstitch_signaling::StreamKey;

use super::Published;

/// Looks in a row that a stream has to be absent from. One list may be older than the publish, or
/// fall between an unpublish and a new publish.
const LOOKS: u32 = 2;

/// What the looks so far showed of each session.
///
/// A session vanishes when its stream is absent from [`LOOKS`] lists in a row. Where a list does
/// not cover the whole manager, the stream has to be listed once before its absence counts.
#[derive(Debug)]
pub struct Absences<Id>(HashMap<Id, Seen>);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    listed: bool,
    absent: u32,
}

impl<Id> Default for Absences<Id> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<Id: Copy + Eq + Hash> Absences<Id> {
    /// Takes one list into account. `open` are the publishers' sessions that are old enough to be
    /// listed; all others are forgotten. The sessions that vanished.
    pub fn look<'s>(
        &mut self,
        open: impl IntoIterator<Item = (Id, &'s StreamKey)>,
        published: &Published,
    ) -> Vec<Id> {
        let mut vanished = Vec::new();
        let mut present = HashSet::new();
        for (id, stream) in open {
            present.insert(id);
            let seen = self.0.entry(id).or_default();
            if published.streams.contains(stream) {
                *seen = Seen {
                    listed: true,
                    absent: 0,
                };
            } else if seen.listed || published.complete {
                seen.absent += 1;
                if seen.absent >= LOOKS {
                    vanished.push(id);
                }
            }
        }
        self.0.retain(|id, _| present.contains(id));
        vanished
    }

    /// The manager could not be asked: looks in a row begin anew.
    pub fn not_asked(&mut self) {
        for seen in self.0.values_mut() {
            seen.absent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [i32; 0] = [];

    fn key(name: &str) -> StreamKey {
        StreamKey::new("live", name).unwrap()
    }

    fn published(names: &[&str], complete: bool) -> Published {
        Published {
            streams: names.iter().map(|name| key(name)).collect(),
            complete,
        }
    }

    #[test]
    fn two_lists_in_a_row_without_the_stream_end_a_session() {
        let (a, b) = (key("a"), key("b"));
        let mut absences = Absences::default();
        let mut look = |names: &[&str]| absences.look([(1, &a), (2, &b)], &published(names, true));
        assert_eq!(look(&["a", "b"]), NONE);
        assert_eq!(look(&["b"]), NONE);
        assert_eq!(look(&["a"]), NONE, "a came back");
        assert_eq!(look(&["a"]), [2]);
        assert_eq!(look(&[]), [2]);
        assert_eq!(look(&[]), [1, 2]);
    }

    #[test]
    fn a_manager_that_could_not_be_asked_interrupts_the_row() {
        let a = key("a");
        let mut absences = Absences::default();
        let none = published(&[], true);
        assert_eq!(absences.look([(1, &a)], &none), NONE);
        absences.not_asked();
        assert_eq!(absences.look([(1, &a)], &none), NONE);
        assert_eq!(absences.look([(1, &a)], &none), [1]);
    }

    #[test]
    fn where_lists_are_not_complete_only_a_listed_stream_can_vanish() {
        let a = key("a");
        let mut absences = Absences::default();
        let mut look = |names: &[&str]| absences.look([(1, &a)], &published(names, false));
        for _ in 0..5 {
            assert_eq!(look(&[]), NONE);
        }
        assert_eq!(look(&["a"]), NONE);
        assert_eq!(look(&[]), NONE);
        assert_eq!(look(&[]), [1]);
    }

    #[test]
    fn a_new_session_of_the_same_stream_starts_its_own_row() {
        let a = key("a");
        let mut absences = Absences::default();
        let none = published(&[], true);
        assert_eq!(absences.look([(1, &a)], &none), NONE);
        assert_eq!(absences.look([(2, &a)], &none), NONE);
        assert_eq!(absences.look([(2, &a)], &none), [2]);
        assert_eq!(absences.look([], &none), NONE);
        assert!(absences.0.is_empty());
    }
}
