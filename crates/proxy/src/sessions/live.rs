//! The sessions that are open: what each carries, and a way to end one from outside.
//!
//! A WebSocket is here from its 101 to its end. Of a WHIP or WHEP session only its beginning and
//! its DELETE pass this way, so it is remembered until that, or until its URL is good for nothing
//! any more; when there are too many, the oldest goes first. A table is locked twice in a session's
//! life and when somebody looks, never for a frame.

mod end;
mod ending;
mod remembered;
mod session;
mod traffic;

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::uri::PathAndQuery;
use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use whipstitch_signaling::{Role, StreamKey, session::Session as Sealed};

pub use self::{
    end::End,
    ending::Ender,
    session::{Kind, LiveSession, SessionId},
    traffic::Sides,
};
use self::{
    remembered::{Gone, HttpSessions, Place},
    session::WayOut,
};
pub(crate) use self::{session::About, traffic::Traffic};

/// Most sessions whose end is remembered at once.
const MAX_OVER: u64 = 10_000;

/// Sessions that are open. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct Live(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    next: AtomicU64,
    sockets: Mutex<BTreeMap<SessionId, Arc<LiveSession>>>,
    http: Mutex<HttpSessions>,
    /// How many of each, so that nobody has to lock to count.
    open: [AtomicUsize; 2],
    forgotten: AtomicU64,
    /// WHIP and WHEP sessions whose end was seen, for whatever else ends with them.
    over: Cache<Which, ()>,
    lifetime: Duration,
}

/// One session of all that are or were at its place.
type Which = (IpAddr, PathAndQuery, u64);

/// How many sessions there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// WHIP and WHEP sessions that are remembered.
    pub http: usize,
    /// WebSocket sessions.
    pub sockets: usize,
    /// WHIP and WHEP sessions that were left out of this because there were too many of them.
    pub forgotten: u64,
}

impl Live {
    /// Remembers WHIP and WHEP sessions for this long, which is how long their URLs are good for.
    pub fn new(lifetime: Duration) -> Self {
        // Somewhere else in each process, so that the id of a session of before a restart means
        // nobody.
        let start = RandomState::new().hash_one(0_u8) >> 16;
        Self(Arc::new(Inner {
            next: AtomicU64::new(start),
            sockets: Mutex::default(),
            http: Mutex::default(),
            open: [AtomicUsize::new(0), AtomicUsize::new(0)],
            forgotten: AtomicU64::new(0),
            over: Cache::builder()
                .max_capacity(MAX_OVER)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(lifetime)
                .build(),
            lifetime,
        }))
    }

    /// How many there are.
    pub fn count(&self) -> Count {
        let [http, sockets] = &self.0.open;
        Count {
            http: http.load(Ordering::Relaxed),
            sockets: sockets.load(Ordering::Relaxed),
            forgotten: self.0.forgotten.load(Ordering::Relaxed),
        }
    }

    /// All of them, in no order. They live on: what is read of them later is newer.
    pub fn all(&self) -> Vec<Arc<LiveSession>> {
        let mut all: Vec<_> = lock(&self.0.sockets).values().cloned().collect();
        all.extend(lock(&self.0.http).iter().cloned());
        all
    }

    /// The one with this id.
    pub fn get(&self, id: SessionId) -> Option<Arc<LiveSession>> {
        let socket = lock(&self.0.sockets).get(&id).cloned();
        socket.or_else(|| lock(&self.0.http).get(id))
    }

    /// How many sessions each node has, by the address that it is known by.
    pub fn by_node(&self) -> BTreeMap<IpAddr, usize> {
        let mut nodes = BTreeMap::new();
        let all = self.all();
        for session in all.iter().filter(|session| session.kind() != Kind::Manager) {
            *nodes.entry(session.named()).or_default() += 1;
        }
        nodes
    }

    /// Takes the rate of every socket since the last sample, and lets go of what is too old. To be
    /// called every few seconds.
    pub fn sample(&self, since_last: Duration) {
        for socket in lock(&self.0.sockets).values() {
            socket.traffic().sample(since_last);
        }
        let mut http = lock(&self.0.http);
        let expired = http.expire(Instant::now(), self.0.lifetime);
        self.tell(&http);
        drop(http);
        for session in expired {
            End::Expired.tell(&session, None);
        }
    }

    /// A WebSocket session begins; it ends when the guard is dropped.
    pub(crate) fn socket(&self, about: About, end: CancellationToken) -> LiveSocket {
        let way_out = if about.is_managers {
            WayOut::Manager(end)
        } else {
            WayOut::Socket(end)
        };
        let session = Arc::new(LiveSession::new(self.next(), about, way_out));
        lock(&self.0.sockets).insert(session.id(), session.clone());
        self.0.open[1].fetch_add(1, Ordering::Relaxed);
        LiveSocket {
            live: self.clone(),
            session,
        }
    }

    /// A node has made a WHIP or WHEP session.
    pub(crate) fn began(
        &self,
        role: Role,
        about: About,
        origin: whipstitch_origin::Origin,
        key: &StreamKey,
        sealed: &Sealed,
    ) {
        let place = Place::of(role, sealed);
        let way_out = WayOut::Http {
            origin,
            role,
            key: key.clone(),
            sealed: sealed.clone(),
        };
        let session = Arc::new(LiveSession::new(self.next(), about, way_out));
        let mut http = lock(&self.0.http);
        let Gone {
            replaced,
            forgotten,
        } = http.insert(place, session);
        self.tell(&http);
        drop(http);
        if let Some(replaced) = replaced {
            End::Replaced.tell(&replaced, None);
        }
        if let Some(forgotten) = forgotten {
            self.0.forgotten.fetch_add(1, Ordering::Relaxed);
            End::Forgotten.tell(&forgotten, None);
        }
    }

    /// A client has said something in a WHIP or WHEP session.
    pub(crate) fn heard(&self, role: Role, sealed: &Sealed) {
        if let Some(session) = lock(&self.0.http).at(role, sealed) {
            session.traffic().heard();
        }
    }

    /// Whether this very WHIP or WHEP session is open, as far as this replica has seen it, and its
    /// URL still good by the monotonic clock.
    pub(crate) fn has(&self, role: Role, sealed: &Sealed) -> bool {
        let http = lock(&self.0.http);
        http.at(role, sealed)
            .is_some_and(|session| session.age() < self.0.lifetime)
    }

    /// Whether a WHIP or WHEP session goes on of which its client has said nothing since it began.
    pub(crate) fn is_silent(&self, role: Role, sealed: &Sealed) -> bool {
        let http = lock(&self.0.http);
        let session = http.at(role, sealed);
        session.is_some_and(|session| session.traffic().is_silent())
    }

    /// A WHIP or WHEP session is over, in this way; if it was not over before. A newer one at its
    /// place goes on.
    pub(crate) fn ended(&self, role: Role, sealed: &Sealed, end: End) {
        let mut http = lock(&self.0.http);
        let over = http.remove(role, sealed);
        self.tell(&http);
        drop(http);
        self.0.over.insert(which(sealed), ());
        if let Some(session) = over {
            end.tell(&session, None);
        }
    }

    /// Whether the end of this WHIP or WHEP session has passed here lately.
    pub(crate) fn has_ended(&self, sealed: &Sealed) -> bool {
        self.0.over.contains_key(&which(sealed))
    }

    fn next(&self) -> SessionId {
        SessionId(self.0.next.fetch_add(1, Ordering::Relaxed))
    }

    fn tell(&self, http: &HttpSessions) {
        self.0.open[0].store(http.len(), Ordering::Relaxed);
    }
}

/// A WebSocket session as long as it lasts.
pub(crate) struct LiveSocket {
    live: Live,
    session: Arc<LiveSession>,
}

impl LiveSocket {
    pub(crate) fn session(&self) -> &LiveSession {
        &self.session
    }
}

impl Drop for LiveSocket {
    fn drop(&mut self) {
        lock(&self.live.0.sockets).remove(&self.session.id());
        self.live.0.open[1].fetch_sub(1, Ordering::Relaxed);
    }
}

fn which(sealed: &Sealed) -> Which {
    (sealed.node, sealed.resource.clone(), sealed.issued_at)
}

fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
