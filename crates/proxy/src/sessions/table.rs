//! The session table: [`super::state`] behind locks, with ids, clocks and one bound.
//!
//! A lock is held for a few map operations, never for a frame and never across an await; log lines
//! are written after it. Shards are by slot; what concerns all of them visits one after the other.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use whipstitch_origin::NotAskable;
use whipstitch_signaling::{Role, session::Session};

use super::{
    affinity::Affinity,
    client::Clients,
    counter_offer::{CounterOffer, Kinds},
    end_log,
    slot::{Arrival, Now, Slot},
    slots::{Afterwards, Slots},
    state::{Standing, State},
    view::{About, Http, SessionId, SessionView},
};
use crate::{
    request::{client_key::ClientKey, clock::WallClock},
    words::end_reason::EndReason,
};

/// Enough that requests on many cores seldom meet at one lock.
const SHARDS: usize = 16;

/// The sessions of this replica. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct SessionTable(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) shards: [Shard; SHARDS],
    hasher: RandomState,
    next: AtomicU64,
    pub(super) sockets: Mutex<BTreeMap<SessionId, Arc<SessionView>>>,
    pub(super) clients: Mutex<Clients>,
    affinity: Affinity,
    by_client: bool,
    /// Whether vanished clients can be found, by the last look; `None` before the first.
    pub(super) findable: Mutex<Option<Result<(), NotAskable>>>,
    pub(super) capacity: AtomicUsize,
    pub(super) lifetime: Duration,
    clock: WallClock,
    pub(super) start: Instant,
    /// Slots with something remembered.
    pub(super) remembered: AtomicUsize,
    /// Sessions, so that counting needs no lock.
    pub(super) http_open: AtomicUsize,
    pub(super) sockets_open: AtomicUsize,
    pub(super) evicted: AtomicU64,
    /// The most that another replica's session was from the future, in milliseconds.
    ahead: AtomicU64,
    /// The time of the last session that was issued.
    issued: AtomicU64,
}

/// How far the times of sessions may be ahead of the clock, in milliseconds.
const MOST_AHEAD: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) slots: Mutex<Slots<Arc<SessionView>>>,
    /// Something in flight at a slot of this shard has changed.
    changed: Notify,
}

impl SessionTable {
    /// An empty table for this many WHIP and WHEP sessions, each remembered for `lifetime`, which
    /// is how long its URL is good for. `by_client` says whether a session URL without a token
    /// means the session of the client that sends the request.
    pub fn new(capacity: usize, by_client: bool, lifetime: Duration, clock: WallClock) -> Self {
        let hasher = RandomState::new();
        Self(Arc::new(Inner {
            shards: Default::default(),
            // Random, so that an id from before a restart matches no session.
            next: AtomicU64::new(hasher.hash_one(0_u8) >> 16),
            hasher,
            sockets: Mutex::default(),
            clients: Mutex::default(),
            affinity: Affinity::default(),
            by_client,
            findable: Mutex::default(),
            capacity: AtomicUsize::new(capacity),
            lifetime,
            clock,
            start: Instant::now(),
            remembered: AtomicUsize::new(0),
            http_open: AtomicUsize::new(0),
            sockets_open: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
            ahead: AtomicU64::new(0),
            issued: AtomicU64::new(0),
        }))
    }

    /// Holds this many WHIP and WHEP sessions from now on.
    pub(crate) fn resize(&self, capacity: usize) {
        self.0.capacity.store(capacity, Ordering::Relaxed);
    }

    /// Every `POST` is looked up anew, whichever node answered its client's `OPTIONS`.
    pub fn forget_affinity(&self) {
        self.0.affinity.clear();
    }

    /// How far another replica's clock was ahead of this one's at most, by the times of its
    /// sessions that passed here. Above [`crate::clock::SKEW`], the order of their sessions is
    /// misjudged.
    pub fn clock_ahead(&self) -> Duration {
        Duration::from_millis(self.0.ahead.load(Ordering::Relaxed))
    }

    /// Which node answered whose `OPTIONS`.
    pub(crate) fn affinity(&self) -> &Affinity {
        &self.0.affinity
    }

    /// The wall clock.
    pub(crate) fn clock(&self) -> &WallClock {
        &self.0.clock
    }

    /// The time for the URL of a new session: now, and no time that another session of this
    /// process has. Where more are made than milliseconds pass, the times are ahead of the clock by
    /// a second at most, and then they repeat.
    pub(crate) fn issue(&self) -> u64 {
        let now = self.0.clock.now();
        let next = |last: u64| {
            let after = last.saturating_add(1);
            let is_near = (now..=now.saturating_add(MOST_AHEAD)).contains(&after);
            if is_near { after } else { now }
        };
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let last = self
            .0
            .issued
            .fetch_update(set, fetch, |last| Some(next(last)));
        next(last.unwrap_or_else(|last| last))
    }

    /// The present moment in the order of arrival.
    pub(crate) fn arrival(&self) -> Arrival {
        Arrival(self.0.next.load(Ordering::Relaxed).wrapping_sub(1))
    }

    /// What the table says of the session of a URL.
    pub(crate) fn standing(&self, role: Role, session: &Session) -> Standing {
        self.judge(role, session, |_| ())
    }

    /// The same, when its client sends a request for it.
    pub(crate) fn heard_of(&self, role: Role, session: &Session) -> Standing {
        self.judge(role, session, |view| view.traffic().touch())
    }

    fn judge(&self, role: Role, session: &Session, open: impl FnOnce(&SessionView)) -> Standing {
        let (slot, now) = (Slot::of(role, session), self.now());
        let slots = lock(&self.shard(&slot).slots);
        let (standing, view) = slots.standing(&slot, session.issued_at, now);
        if let Some(view) = view {
            if view.age() >= self.0.lifetime {
                return Standing::Unknown;
            }
            open(view);
        }
        drop(slots);
        // What is later than all that this process issued is another's, however our clock stepped.
        let ours = self.0.issued.load(Ordering::Relaxed);
        if standing == Standing::Unknown && session.issued_at > now.wall.max(ours) {
            let ahead = session.issued_at - now.wall;
            self.0.ahead.fetch_max(ahead, Ordering::Relaxed);
        }
        standing
    }

    /// Whether this replica saw that session end beyond doubt.
    pub(crate) fn has_ended(&self, role: Role, session: &Session) -> bool {
        let slot = Slot::of(role, session);
        lock(&self.shard(&slot).slots).has_ended(&slot, session.issued_at)
    }

    /// The session that a client means with a URL without a token, at this node if it names one.
    pub(crate) fn only_of(&self, client: &ClientKey, node: Option<IpAddr>) -> Option<Session> {
        let only = || lock(&self.0.clients).only(client, node);
        self.0.by_client.then(only)?
    }

    /// Whether a URL without a token can mean a session.
    pub(crate) fn serves_by_client(&self) -> bool {
        self.0.by_client
    }

    /// How far this session has come, in one word.
    pub fn state(&self, session: &SessionView) -> &'static str {
        let Some(http) = session.at_node() else {
            return State::Open.label();
        };
        let slot = Slot::of(http.role, &http.sealed);
        let state = lock(&self.shard(&slot).slots).state(&slot, http.sealed.issued_at);
        state.map_or("closed", State::label)
    }

    /// A node has made a session. Another one at its slot is superseded.
    pub(crate) fn open(&self, about: About, http: Http) -> Arc<SessionView> {
        let slot = Slot::of(http.role, &http.sealed);
        let (client, issued_at) = (http.client.clone(), http.sealed.issued_at);
        let opened = self.0.start.elapsed();
        let (session, superseded) = self.with(&slot, |slots| {
            // Inside the lock, so that the sessions of one slot are in the order of their numbers.
            let id = self.next_id();
            let session = Arc::new(SessionView::http(id, about, http));
            let number = (id.0, issued_at);
            let superseded = slots.open(slot.clone(), number, opened, session.clone());
            if let Some(client) = client {
                // Inside as well: whatever closes it comes later, and takes it out.
                lock(&self.0.clients).add(client, &session);
            }
            (session, superseded)
        });
        self.left(&superseded, EndReason::Superseded);
        self.evict();
        session
    }

    /// A WHIP or WHEP session was ended at its node; whether it was open here. A newer one at its
    /// slot stays.
    pub(crate) fn close(&self, role: Role, session: &Session, why: EndReason) -> bool {
        self.close_and(role, session, why, Afterwards::Forgotten)
    }

    /// Others say that a session is over: it is listed no more, and requests of its client without
    /// a token still mean it. Whether it was open here.
    pub(crate) fn lose(&self, role: Role, session: &Session, why: EndReason) -> bool {
        self.close_and(role, session, why, Afterwards::Lingers)
    }

    /// A session that others said was over is there after all, by the Stream Manager's list or by
    /// its node's answer: it is open again.
    pub(crate) fn reopen(&self, role: Role, session: &Session) {
        let slot = Slot::of(role, session);
        let reopened = self.with(&slot, |slots| slots.reopen(&slot, session.issued_at));
        if let Some(view) = reopened {
            self.lingers(&view, false);
            view.listed(true);
            end_log::log_reopened(&view);
        }
    }

    fn lingers(&self, session: &SessionView, lingers: bool) {
        let client = session.at_node().and_then(|http| http.client.as_ref());
        if let Some(client) = client {
            lock(&self.0.clients).lingers(client, session.id(), lingers);
        }
    }

    fn close_and(
        &self,
        role: Role,
        session: &Session,
        why: EndReason,
        afterwards: Afterwards,
    ) -> bool {
        let (slot, now) = (Slot::of(role, session), self.0.start.elapsed());
        let (issued_at, number) = (session.issued_at, self.next_id().0);
        let closed = self.with(&slot, |slots| {
            let how = (why.is_certain(), afterwards);
            slots.close(&slot, issued_at, how, (number, now))
        });
        match (&closed.closed, afterwards) {
            (Some(session), Afterwards::Lingers) => {
                self.lingers(session, true);
                end_log::log(session, why, None);
            }
            _ => self.left(&closed, why),
        }
        self.evict();
        closed.closed.is_some()
    }

    /// This session began with a counter-offer.
    pub(crate) fn countered(
        &self,
        session: &Arc<SessionView>,
        connection: Option<SocketAddr>,
        kinds: Kinds,
    ) {
        lock(&self.0.clients).countered(session, connection, kinds);
    }

    /// The counter-offer that this client refuses with an offer of less. Taken under one lock: of
    /// two such offers, one ends the session.
    pub(crate) fn take_refused(
        &self,
        client: &ClientKey,
        connection: Option<SocketAddr>,
        offer: &[u8],
    ) -> Option<CounterOffer> {
        lock(&self.0.clients).take_refused(client, connection, offer)
    }

    /// Waits until `done` finds what it looks for at this slot.
    pub(super) async fn until<T>(
        &self,
        slot: &Slot,
        mut done: impl FnMut(&mut Slots<Arc<SessionView>>, Now) -> Option<T>,
    ) -> T {
        let shard = self.shard(slot);
        loop {
            // Before the look, so that no change between the two is missed.
            let changed = shard.changed.notified();
            let found = self.with(slot, |slots| done(slots, self.now()));
            if let Some(found) = found {
                return found;
            }
            changed.await;
        }
    }

    /// Changes the shard of this slot.
    pub(super) fn with<T>(
        &self,
        slot: &Slot,
        change: impl FnOnce(&mut Slots<Arc<SessionView>>) -> T,
    ) -> T {
        self.within(self.shard(slot), change)
    }

    /// What is in flight at this slot has changed.
    pub(super) fn notify(&self, slot: &Slot) {
        self.shard(slot).changed.notify_waiters();
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(super) fn next_id(&self) -> SessionId {
        SessionId(self.0.next.fetch_add(1, Ordering::Relaxed))
    }

    fn now(&self) -> Now {
        Now {
            wall: self.0.clock.now(),
            uptime: self.0.start.elapsed(),
        }
    }

    fn shard(&self, slot: &Slot) -> &Shard {
        let hash = self.0.hasher.hash_one(slot);
        let [first, ..] = &self.0.shards;
        let at = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        self.0.shards.get(at).unwrap_or(first)
    }

    pub(super) fn within<T>(
        &self,
        shard: &Shard,
        change: impl FnOnce(&mut Slots<Arc<SessionView>>) -> T,
    ) -> T {
        let mut slots = lock(&shard.slots);
        let (remembered, open) = (slots.remembered(), slots.open_sessions());
        let changed = change(&mut slots);
        // Wrapping differences, as an atomic addition wraps.
        let more = |after: usize, before: usize| after.wrapping_sub(before);
        let (remembered, open) = (
            more(slots.remembered(), remembered),
            more(slots.open_sessions(), open),
        );
        // Inside the lock, so that nothing is subtracted before it is added.
        if remembered != 0 {
            self.0.remembered.fetch_add(remembered, Ordering::Relaxed);
        }
        if open != 0 {
            self.0.http_open.fetch_add(open, Ordering::Relaxed);
        }
        drop(slots);
        changed
    }
}

pub(super) fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
