//! POST, answer, hang-up, PATCH, DELETE by each of the three, takeover of a slot, expiry, eviction
//! and restart in random order, against what must always hold.
//!
//! Each seed is one run. A failure names its seed; `INTERLEAVING_SEED=17 cargo test -p
//! whipstitch-proxy interleavings` runs that one alone.
//!
//! The world has what the table cannot see: which session is at a node's slot. A request has its
//! effect there when it arrives, and its answer comes later.
//!
//! What must hold:
//! - a session leaves the table once, and with a reason, unless it vanished and is reopened;
//! - no DELETE meets a newer session that a client has, or that a POST in flight may have made,
//!   unless the table has forgotten the slot since;
//! - each orphan has a DELETE, or a reason why not;
//! - at the end nothing is in flight.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use http::uri::PathAndQuery;

mod deletes;
mod world;

use self::world::{By, Delete, Id, Phase, Post, Random};
use super::*;
use crate::{
    request::clock::{SKEW, millis},
    sessions::slot::Arrival,
    words::end_reason::{EndReason, OrphanOutcome},
};

const SEEDS: u64 = 256;
const STEPS: usize = 400;
const LIFETIME: Duration = Duration::from_mins(10);
/// How far the wall clock is from the truth at most, in milliseconds.
const STEP: u64 = 10_000;

struct Run {
    random: Random,
    slots: Slots<Id>,
    places: Vec<Slot>,
    posts: Vec<Post>,
    deletes: Vec<Delete>,
    /// Orphans that the reaper still has to end, and how often it has tried.
    orphans: BTreeMap<Id, u8>,
    outcomes: BTreeMap<Id, OrphanOutcome>,
    /// Closed, and still their clients'.
    lingering: HashSet<Id>,
    /// Which session is at the node.
    at_node: Vec<Option<Id>>,
    /// The newest session at each slot when the table forgot it last.
    forgotten: Vec<Number>,
    next: Number,
    uptime: Duration,
    wall: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let at = |role, resource| Slot::at(role, [10, 0, 0, 1].into(), resource);
        let path = PathAndQuery::from_static;
        Self {
            random: Random(seed),
            slots: Slots::default(),
            places: vec![
                at(Role::Publish, path("/live/whip/resource/a")),
                at(Role::Publish, path("/live/whip/resource/b")),
                at(Role::Play, path("/live/whep/resource/a?requestId=x")),
            ],
            posts: Vec::new(),
            deletes: Vec::new(),
            orphans: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            lingering: HashSet::new(),
            at_node: vec![None; 3],
            forgotten: vec![0; 3],
            next: 1,
            uptime: Duration::ZERO,
            wall: 1_000_000_000,
        }
    }

    fn steps(mut self) {
        for _ in 0..STEPS {
            self.step();
            self.check();
        }
        // All that is in flight is answered, and the reaper ends its orphans.
        for _ in 0..10_000 {
            self.settle();
            let is_done = |post: &Post| matches!(post.phase, Phase::Open | Phase::Over);
            let is_quiet = self.deletes.is_empty() && self.orphans.is_empty();
            if is_quiet && self.posts.iter().all(is_done) {
                break;
            }
        }
        self.check();
        assert!(self.orphans.is_empty(), "orphans without an outcome");
        let (creating, deleting, entries) = self.slots.in_flight();
        assert_eq!((creating, deleting), (0, 0), "in flight at the end");
        assert_eq!(entries, self.slots.remembered(), "empty entries");
    }

    fn step(&mut self) {
        match self.random.below(22) {
            0..=3 => self.post(),
            4..=9 => self.settle(),
            10 => self.hang_up(),
            11 => self.patch(),
            12 | 13 => self.delete(By::Client),
            14 => self.delete(By::Operator),
            15 => self.evict(),
            16 if self.random.one_in(6) => self.restart(),
            17 => {
                let offset = self.random.below(2 * STEP);
                self.wall = 1_000_000_000 + millis(self.uptime) + offset;
            }
            20 => {
                if let Some(id) = self.some(|post| post.opened.is_some()) {
                    self.close(id, EndReason::Vanished);
                }
            }
            21 => {
                if let Some(id) = self.some(|post| post.ended == Some(EndReason::Vanished)) {
                    self.reopen(id);
                }
            }
            _ => self.pass(Duration::from_secs(self.random.0 % 20)),
        }
    }

    /// Something that is in flight comes one step further.
    fn settle(&mut self) {
        match self.random.below(4) {
            0 | 1 => self.advance_post(),
            2 => self.advance_delete(),
            _ => self.reap(),
        }
    }

    fn now(&self) -> Now {
        let (wall, uptime) = (self.wall, self.uptime);
        Now { wall, uptime }
    }

    fn pass(&mut self, time: Duration) {
        self.uptime += time;
        self.wall += millis(time);
        let expired = self.slots.expire(self.uptime, LIFETIME);
        self.forget_unknown();
        for gone in expired {
            self.ended(&gone, EndReason::Expired);
        }
    }

    fn post(&mut self) {
        let slot = usize::try_from(self.random.below(3)).unwrap();
        self.slots.begin_create(self.places[slot].clone());
        self.posts.push(Post {
            slot,
            since: Arrival(self.next - 1),
            phase: Phase::Waits,
            client_gone: false,
            opened: None,
            ended: None,
        });
    }

    fn some(&mut self, which: impl Fn(&Post) -> bool) -> Option<Id> {
        let ids: Vec<Id> = (0..self.posts.len())
            .filter(|id| which(&self.posts[*id]))
            .collect();
        self.random.of(&ids)
    }

    fn advance_post(&mut self) {
        let Some(id) = self.some(|post| !matches!(post.phase, Phase::Open | Phase::Over)) else {
            return;
        };
        let at = self.posts[id].slot;
        let slot = self.places[at].clone();
        match self.posts[id].phase {
            Phase::Waits if self.slots.is_deleting(&slot) => {}
            Phase::Waits => self.posts[id].phase = Phase::InFlight,
            Phase::InFlight => {
                let refused = self.at_node[at].is_some() && self.random.one_in(3);
                self.posts[id].phase = Phase::Arrived(!refused);
                if !refused {
                    self.at_node[at] = Some(id);
                }
            }
            Phase::Arrived(made) => self.answer(id, &slot, made),
            Phase::Unclaimed => {
                let issued_at = self.posts[id].opened.unwrap().1;
                if self.random.one_in(4) {
                    self.slots.orphan(&slot, issued_at);
                    self.posts[id].client_gone = true;
                    self.posts[id].phase = Phase::Over;
                    self.orphans.insert(id, 0);
                } else {
                    self.slots.claim(&slot, issued_at);
                    self.posts[id].phase = Phase::Open;
                }
            }
            Phase::Open | Phase::Over => {}
        }
    }

    fn answer(&mut self, id: Id, slot: &Slot, made: bool) {
        let lost = self.random.one_in(10);
        if lost || !made || self.posts[id].client_gone {
            if !self.posts[id].client_gone {
                self.slots.end_create(slot);
            }
            self.posts[id].phase = Phase::Over;
            if lost {
                self.posts[id].client_gone = true;
                self.outcomes.insert(id, OrphanOutcome::Unknown);
            } else if made {
                self.orphans.insert(id, 0);
            }
            return;
        }
        // Two within a millisecond do not happen at one slot.
        let (number, issued_at) = (self.next, self.wall + self.next % 7);
        self.next += 1;
        self.wall += 7;
        self.posts[id].opened = Some((number, issued_at));
        self.posts[id].phase = Phase::Unclaimed;
        let opened = (number, issued_at);
        let superseded = self.slots.open(slot.clone(), opened, self.uptime, id);
        self.slots.end_create(slot);
        self.ended(&superseded, EndReason::Superseded);
    }

    /// A client gives up its POST; a node that has not got all of it makes nothing.
    fn hang_up(&mut self) {
        let waits = |post: &Post| {
            !post.client_gone
                && matches!(
                    post.phase,
                    Phase::Waits | Phase::InFlight | Phase::Arrived(_)
                )
        };
        let Some(id) = self.some(waits) else {
            return;
        };
        self.posts[id].client_gone = true;
        self.slots.end_create(&self.places[self.posts[id].slot]);
        if !matches!(self.posts[id].phase, Phase::Arrived(_)) {
            self.posts[id].phase = Phase::Over;
        }
    }

    fn patch(&mut self) {
        let Some(id) = self.some(|post| post.phase == Phase::Open) else {
            return;
        };
        let (at, (number, issued_at)) = (self.posts[id].slot, self.posts[id].opened.unwrap());
        let (standing, _) = self.slots.standing(&self.places[at], issued_at, self.now());
        let newer = |post: &Post| post.slot == at && post.opened.is_some_and(|(n, _)| n > number);
        if !self.posts.iter().any(newer) {
            assert_ne!(
                standing,
                Standing::Superseded,
                "the newest session is refused"
            );
        }
        if standing != Standing::Superseded && self.at_node[at] != Some(id) {
            self.close(id, EndReason::Gone);
        } else if standing != Standing::Superseded {
            self.reopen(id);
        }
    }

    /// It is listed again, or its node has accepted a PATCH.
    fn reopen(&mut self, id: Id) {
        let (slot, opened) = (&self.places[self.posts[id].slot], self.posts[id].opened);
        let Some(reopened) = self.slots.reopen(slot, opened.unwrap().1) else {
            return;
        };
        assert_eq!(reopened, id);
        assert!(self.lingering.remove(&id), "{id} did not linger");
        assert_eq!(self.posts[id].ended.take(), Some(EndReason::Vanished));
    }

    fn close(&mut self, id: Id, end: EndReason) {
        let Some((_, issued_at)) = self.posts[id].opened else {
            return;
        };
        let (slot, number) = (self.places[self.posts[id].slot].clone(), self.next);
        self.next += 1;
        let closing = (number, self.uptime);
        let afterwards = match end {
            EndReason::Gone | EndReason::Vanished => Afterwards::Lingers,
            _ => Afterwards::Forgotten,
        };
        let how = (end.is_certain(), afterwards);
        let closed = self.slots.close(&slot, issued_at, how, closing);
        if let (Some(id), Afterwards::Lingers) = (closed.closed, afterwards) {
            self.lingering.insert(id);
        }
        self.ended(&closed, end);
        // The client of one that is taken for vanished still sends requests.
        if self.posts[id].phase == Phase::Open && end != EndReason::Vanished {
            self.posts[id].phase = Phase::Over;
        }
    }

    fn ended(&mut self, gone: &Gone<Id>, end: EndReason) {
        if let Some(id) = gone.closed {
            let before = self.posts[id].ended.replace(end);
            assert_eq!(before, None, "{id} ends again, as {end:?}");
        }
        if let Some(id) = gone.lingering {
            assert!(self.lingering.remove(&id), "{id} did not linger");
        }
    }

    fn evict(&mut self) {
        if let Some((class, number)) = self.slots.expendable() {
            let open: Vec<Role> = self
                .slots
                .by_age
                .iter()
                .filter_map(|(number, slot)| {
                    let is_open = !self.slots.closed.contains(number);
                    is_open.then_some(slot.role())
                })
                .collect();
            let expected = match open.len() {
                open if open < self.slots.remembered() => Class::Closed,
                _ if open.contains(&Role::Play) => Class::Player,
                _ => Class::Publisher,
            };
            assert_eq!(class, expected);
            let evicted = self.slots.forget(number);
            self.forget_unknown();
            self.ended(&evicted, EndReason::Evicted);
        }
    }

    /// Slots that the table does not remember are forgotten from here on.
    fn forget_unknown(&mut self) {
        for at in 0..self.places.len() {
            let entry = self.slots.entries.get(&self.places[at]);
            if entry.is_none_or(|entry| entry.rank.is_none()) {
                self.forgotten[at] = self.next - 1;
            }
        }
    }

    /// Another process with the same keys, half a minute and more later. What was in flight has
    /// arrived or never will, and clients still have their URLs.
    fn restart(&mut self) {
        self.slots = Slots::default();
        self.deletes.clear();
        self.lingering.clear();
        for id in std::mem::take(&mut self.orphans).into_keys() {
            self.outcomes.insert(id, OrphanOutcome::Dropped);
        }
        for (id, post) in self.posts.iter_mut().enumerate() {
            if !matches!(post.phase, Phase::Open | Phase::Over) {
                post.client_gone = true;
                post.phase = Phase::Over;
                self.outcomes.insert(id, OrphanOutcome::Dropped);
            }
            if post.opened.is_some() {
                post.ended.get_or_insert(EndReason::Drain);
            }
        }
        self.forgotten = vec![self.next - 1; 3];
        self.pass(SKEW * 2 + Duration::from_millis(2 * STEP));
    }

    /// A session is in the table, or has a reason why not.
    fn check(&self) {
        let here: HashSet<Id> = self.slots.sessions().copied().collect();
        for (id, post) in self.posts.iter().enumerate() {
            let is_open = post.opened.is_some() && post.ended.is_none();
            assert_eq!(here.contains(&id), is_open, "{id}: {post:?}");
            let is_orphan = post.client_gone && post.opened.is_some();
            let has_outcome = self.orphans.contains_key(&id) || self.outcomes.contains_key(&id);
            assert!(!is_orphan || has_outcome, "{id}: {post:?}");
        }
        assert_eq!(here.len(), self.slots.open_sessions());
        let entries = self.slots.entries.values();
        let lingering: HashSet<Id> = entries.filter_map(|entry| entry.lingering).collect();
        assert_eq!(lingering, self.lingering);
    }
}

#[test]
fn what_must_always_hold_does_in_any_order_of_events() {
    let seeds = match std::env::var("INTERLEAVING_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..SEEDS).collect(),
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| Run::new(seed).steps());
        assert!(outcome.is_ok(), "replay it with INTERLEAVING_SEED={seed}");
    }
}
