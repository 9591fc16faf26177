//! The world of one run: choices, POSTs and DELETEs.

use super::*;

/// `SplitMix64`
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(super) fn of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let count = u64::try_from(all.len()).unwrap();
        (count > 0).then(|| all[usize::try_from(self.below(count)).unwrap()])
    }
}

/// The number of a POST, and of the session that it makes.
pub(super) type Id = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for a DELETE in flight.
    Waits,
    InFlight,
    /// The node has made the session, or refused it.
    Arrived(bool),
    /// In the table, its answer on the way to the client.
    Unclaimed,
    Open,
    Over,
}

#[derive(Debug)]
pub(super) struct Post {
    pub(super) slot: usize,
    pub(super) since: Arrival,
    pub(super) phase: Phase,
    pub(super) client_gone: bool,
    /// Its number and time in the table, once it is there.
    pub(super) opened: Option<(Number, u64)>,
    pub(super) ended: Option<EndReason>,
}

/// Who sends a DELETE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Client,
    Operator,
    Reaper,
}

/// A DELETE in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delete {
    pub(super) id: Id,
    pub(super) by: By,
    pub(super) patient: bool,
    /// Whether it had its effect.
    pub(super) arrived: bool,
}
