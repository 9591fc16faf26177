//! Slots and their sessions: pure, without I/O, clock or lock, and driven by seeded interleavings.
//!
//! | at a slot is in flight | a POST | a DELETE |
//! |---|---|---|
//! | nothing | is sent | is sent |
//! | POSTs that clients wait for | is sent | waits until each is answered: whose session is there? |
//! | orphaned POSTs | is sent | is sent: what they make is no client's |
//! | a DELETE | waits for its answer, but not for long | is sent: both mean the same session |
//!
//! A slot can be one session's now and another's a second later, and two requests over two
//! connections reach a node in any order. So a POST and a DELETE are in flight together only where
//! the wait of one has run out, or the DELETE is a player's own.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use ahash::RandomState;
use whipstitch_signaling::Role;

use super::{
    slot::{Current, Former, Newest, Now, Number, Slot, SlotEntry, Target},
    state::{Standing, State, Verdict},
};

/// Sessions that left their slot.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gone<S> {
    /// It was open.
    pub(super) closed: Option<S>,
    /// It was closed before, and is no client's any more.
    pub(super) lingering: Option<S>,
}

impl<S> Default for Gone<S> {
    fn default() -> Self {
        let (closed, lingering) = (None, None);
        Self { closed, lingering }
    }
}

/// Whether a session that is closed may still be meant by its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// It was ended at its node.
    Forgotten,
    /// Others say that it is over, and its client has not said so.
    Lingers,
}

/// Slots and their sessions. `S` is a session; each slot has one at most.
#[derive(Debug)]
pub(super) struct Slots<S> {
    entries: HashMap<Arc<Slot>, SlotEntry<S>, RandomState>,
    /// Every slot with something remembered, the oldest first.
    by_age: BTreeMap<Number, Arc<Slot>>,
    /// Those without an open session, by the time of its closing.
    closed: BTreeSet<Number>,
    /// Those with an open player.
    players: BTreeSet<Number>,
}

/// What is forgotten first when there are too many.
///
/// Players come before publishers: a player that hangs up without a DELETE stays in the table until
/// its lifetime ends, since Red5's list of streams says nothing of players, while a publisher that
/// runs for days is in use. Ordered by age alone, the one would drive out the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Without an open session.
    Closed,
    /// An open player.
    Player,
    /// An open publisher.
    Publisher,
}

impl<S> Default for Slots<S> {
    fn default() -> Self {
        Self {
            entries: HashMap::default(),
            by_age: BTreeMap::new(),
            closed: BTreeSet::new(),
            players: BTreeSet::new(),
        }
    }
}

impl<S: Clone> Slots<S> {
    /// How many slots are remembered.
    pub(super) fn remembered(&self) -> usize {
        self.by_age.len()
    }

    /// How many sessions are open.
    pub(super) fn open_sessions(&self) -> usize {
        self.by_age.len() - self.closed.len()
    }

    /// The open sessions, the oldest first.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &S> {
        let entries = self.by_age.values().map(|slot| self.entries.get(slot));
        entries.filter_map(|entry| Some(&entry?.current.as_ref()?.session))
    }

    /// The closed sessions that others say are over, which may be reopened.
    pub(super) fn lingering(&self) -> impl Iterator<Item = &S> {
        let slots = self.closed.iter().map(|number| self.by_age.get(number));
        let entries = slots.filter_map(|slot| self.entries.get(slot?));
        let unsure = entries.filter(|entry| entry.newest.is_some_and(|one| !one.ended));
        unsure.filter_map(|entry| entry.lingering.as_ref())
    }

    /// The open session of this number.
    pub(super) fn numbered(&self, number: Number) -> Option<&S> {
        let entry = self.entries.get(self.by_age.get(&number)?)?;
        Some(&entry.current.as_ref()?.session)
    }

    /// The state of the open session that was issued at this slot at this time.
    pub(super) fn state(&self, slot: &Slot, issued_at: u64) -> Option<State> {
        Some(self.entries.get(slot)?.current(issued_at)?.state)
    }

    /// What the table says of the session that was issued at this slot at this time, and the
    /// session if it is open.
    pub(super) fn standing(&self, slot: &Slot, issued_at: u64, now: Now) -> (Standing, Option<&S>) {
        let Some(entry) = self.entries.get(slot) else {
            return (Standing::Unknown, None);
        };
        if let Some(current) = entry.current(issued_at) {
            return (Standing::Open, Some(&current.session));
        }
        let standing = if entry.is_superseded(Target::Issued(issued_at), now) {
            Standing::Superseded
        } else if entry.has_ended(issued_at) {
            Standing::Ended
        } else {
            Standing::Unknown
        };
        (standing, None)
    }

    /// Whether this replica saw that session end beyond doubt.
    pub(super) fn has_ended(&self, slot: &Slot, issued_at: u64) -> bool {
        let entry = self.entries.get(slot);
        entry.is_some_and(|entry| entry.has_ended(issued_at))
    }

    /// A POST is about to be sent.
    pub(super) fn begin_create(&mut self, slot: Slot) {
        self.entry(slot).1.creating += 1;
    }

    /// Whether a DELETE is in flight.
    pub(super) fn is_deleting(&self, slot: &Slot) -> bool {
        let entry = self.entries.get(slot);
        entry.is_some_and(|entry| entry.deleting > 0)
    }

    /// A POST has its answer, or its client does not wait for it any more.
    pub(super) fn end_create(&mut self, slot: &Slot) {
        self.settle(slot, |entry| {
            entry.creating = entry.creating.saturating_sub(1);
        });
    }

    /// A node has made a session. The one that it supersedes leaves the slot.
    pub(super) fn open(
        &mut self,
        slot: Slot,
        (number, issued_at): (Number, u64),
        opened: Duration,
        session: S,
    ) -> Gone<S> {
        let (slot, entry) = self.entry(slot);
        if let Some(former) = entry.newest {
            entry.remember(Former {
                number: Some(former.number),
                issued_at: former.issued_at,
                ended: former.ended,
            });
        }
        entry.newest = Some(Newest {
            number,
            issued_at,
            opened,
            ended: false,
        });
        let current = Current {
            state: State::Unclaimed,
            session,
        };
        let gone = Gone {
            closed: entry.current.replace(current).map(|one| one.session),
            lingering: entry.lingering.take(),
        };
        let rank = entry.rank.replace((number, opened));
        if let Some((former, _)) = rank {
            self.by_age.remove(&former);
            self.closed.remove(&former);
            self.players.remove(&former);
        }
        if slot.role() == Role::Play {
            self.players.insert(number);
        }
        self.by_age.insert(number, slot);
        gone
    }

    /// The client has the session.
    pub(super) fn claim(&mut self, slot: &Slot, issued_at: u64) {
        self.change(slot, issued_at, State::claimed);
    }

    /// No client has the session.
    pub(super) fn orphan(&mut self, slot: &Slot, issued_at: u64) {
        self.change(slot, issued_at, State::orphaned);
    }

    /// Whether a DELETE of that session may be sent. If so, it counts as in flight until
    /// [`Self::end_delete`]. One that is not `patient` waits for no POST.
    pub(super) fn begin_delete(
        &mut self,
        slot: &Slot,
        (target, patient): (Target, bool),
        now: Now,
    ) -> Verdict {
        let Some(entry) = self.entries.get_mut(slot) else {
            self.entry(slot.clone()).1.deleting += 1;
            return Verdict::Send;
        };
        if entry.is_superseded(target, now) {
            return Verdict::Superseded;
        }
        if patient && entry.creating > 0 {
            return Verdict::Wait;
        }
        entry.deleting += 1;
        if let Target::Issued(issued_at) = target {
            entry.change(issued_at, State::closing);
        }
        Verdict::Send
    }

    /// The DELETE has its answer, or is given up. A session that is not closed by then is still
    /// there.
    pub(super) fn end_delete(&mut self, slot: &Slot) {
        self.settle(slot, |entry| {
            entry.deleting = entry.deleting.saturating_sub(1);
            if entry.deleting == 0
                && let Some(current) = &mut entry.current
            {
                current.state = current.state.kept();
            }
        });
    }

    /// The session that was issued at this slot at this time is over. A newer one at its slot
    /// stays. `certain` says that the node has it no more; that is remembered of a session that is
    /// not known too. `number` is the slot's age from now on.
    pub(super) fn close(
        &mut self,
        slot: &Slot,
        issued_at: u64,
        (certain, afterwards): (bool, Afterwards),
        (number, now): (Number, Duration),
    ) -> Gone<S> {
        if let Some(entry) = self.entries.get_mut(slot)
            && let Some(newest) = &mut entry.newest
            && newest.issued_at == issued_at
        {
            newest.ended |= certain;
            if let Some((rank, _)) = entry.rank
                && !self.closed.contains(&rank)
                && let Some(slot) = self.by_age.remove(&rank)
            {
                self.players.remove(&rank);
                self.by_age.insert(number, slot);
                self.closed.insert(number);
                entry.rank = Some((number, now));
            }
            let closed = entry.current.take().map(|one| one.session);
            if afterwards == Afterwards::Lingers {
                entry.lingering = closed.clone().or(entry.lingering.take());
                return Gone {
                    closed,
                    lingering: None,
                };
            }
            let lingering = entry.lingering.take();
            return Gone { closed, lingering };
        }
        if certain {
            let (slot, entry) = self.entry(slot.clone());
            let known = entry.history.iter().find(|one| one.issued_at == issued_at);
            entry.remember(Former {
                number: known.and_then(|one| one.number),
                issued_at,
                ended: true,
            });
            if entry.rank.is_none() {
                entry.rank = Some((number, now));
                self.by_age.insert(number, slot);
                self.closed.insert(number);
            }
        }
        Gone::default()
    }

    /// The session that was issued at this slot at this time is there after all. Returns it if
    /// others said that it was over, and nothing since proves that.
    pub(super) fn reopen(&mut self, slot: &Slot, issued_at: u64) -> Option<S> {
        let entry = self.entries.get_mut(slot)?;
        let newest = entry.newest?;
        if newest.issued_at != issued_at || newest.ended {
            return None;
        }
        let session = entry.lingering.take()?;
        entry.current = Some(Current {
            state: State::Open,
            session: session.clone(),
        });
        // Its age is that of its opening again.
        let rank = entry.rank.replace((newest.number, newest.opened));
        if let Some((rank, _)) = rank
            && let Some(slot) = self.by_age.remove(&rank)
        {
            self.closed.remove(&rank);
            if slot.role() == Role::Play {
                self.players.insert(newest.number);
            }
            self.by_age.insert(newest.number, slot);
        }
        Some(session)
    }

    fn entry(&mut self, slot: Slot) -> (Arc<Slot>, &mut SlotEntry<S>) {
        let slot = match self.entries.get_key_value(&slot) {
            Some((known, _)) => known.clone(),
            None => Arc::new(slot),
        };
        let entry = self.entries.entry(slot.clone()).or_default();
        (slot, entry)
    }

    fn change(&mut self, slot: &Slot, issued_at: u64, into: impl FnOnce(State) -> State) {
        if let Some(entry) = self.entries.get_mut(slot) {
            entry.change(issued_at, into);
        }
    }

    fn settle(&mut self, slot: &Slot, change: impl FnOnce(&mut SlotEntry<S>)) {
        if let Some(entry) = self.entries.get_mut(slot) {
            change(entry);
            if entry.is_empty() {
                self.entries.remove(slot);
            }
        }
    }
}

#[cfg(test)]
impl<S> Slots<S> {
    /// POSTs and DELETEs in flight, and entries altogether.
    pub(super) fn in_flight(&self) -> (u32, u32, usize) {
        let entries = self.entries.values();
        let counts = entries.fold((0, 0), |(creating, deleting), entry| {
            (creating + entry.creating, deleting + entry.deleting)
        });
        (counts.0, counts.1, self.entries.len())
    }
}

mod forgetting;
#[cfg(test)]
mod interleavings;
