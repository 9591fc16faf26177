//! WHIP and WHEP sessions, which say goodbye in a request of their own or not at all.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use http::uri::PathAndQuery;
use tokio::time::Instant;
use whipstitch_signaling::{Role, session::Session as Sealed};

use super::session::{LiveSession, SessionId};

/// Most of them remembered at once.
pub(super) const MAX: usize = 20_000;

/// What a later request of a session finds it by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    node: IpAddr,
    resource: PathAndQuery,
    /// Red5 keys a publisher by its name, so that a new one at a place means the end of the former.
    /// Players may share a place, and are told apart by their time.
    player_since: Option<u64>,
}

impl Place {
    pub(super) fn of(role: Role, sealed: &Sealed) -> Self {
        Self {
            node: sealed.node,
            resource: sealed.resource.clone(),
            player_since: (role == Role::Play).then_some(sealed.issued_at),
        }
    }
}

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(super) struct HttpSessions {
    by_id: BTreeMap<SessionId, Remembered>,
    by_place: HashMap<Place, SessionId>,
}

/// Those that are here no more because another one came.
#[derive(Debug)]
pub(super) struct Gone {
    /// The one at its place.
    pub(super) replaced: Option<Arc<LiveSession>>,
    /// The oldest, if there were too many.
    pub(super) forgotten: Option<Arc<LiveSession>>,
}

#[derive(Debug)]
struct Remembered {
    place: Place,
    session: Arc<LiveSession>,
    began: Instant,
}

impl HttpSessions {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<LiveSession>> {
        self.by_id.values().map(|remembered| &remembered.session)
    }

    pub(super) fn get(&self, id: SessionId) -> Option<Arc<LiveSession>> {
        self.by_id.get(&id).map(|found| found.session.clone())
    }

    /// This very one, and not another one that has its place by now.
    pub(super) fn at(&self, role: Role, sealed: &Sealed) -> Option<&LiveSession> {
        let id = self.by_place.get(&Place::of(role, sealed))?;
        let found = self.by_id.get(id).map(|found| &*found.session);
        found.filter(|session| session.is(sealed))
    }

    /// Who had to go for it.
    pub(super) fn insert(&mut self, place: Place, session: Arc<LiveSession>) -> Gone {
        let replaced = self.clear(&place);
        let id = session.id();
        self.by_place.insert(place.clone(), id);
        let began = Instant::now();
        self.by_id.insert(
            id,
            Remembered {
                place,
                session,
                began,
            },
        );
        // One at most: one came.
        let is_full = self.by_id.len() > MAX;
        Gone {
            replaced,
            forgotten: is_full.then(|| self.pop_oldest()).flatten(),
        }
    }

    /// This very one, and not another one that has its place by now.
    pub(super) fn remove(&mut self, role: Role, sealed: &Sealed) -> Option<Arc<LiveSession>> {
        self.at(role, sealed)?;
        self.clear(&Place::of(role, sealed))
    }

    /// Whoever is there.
    fn clear(&mut self, place: &Place) -> Option<Arc<LiveSession>> {
        let id = self.by_place.remove(place)?;
        self.by_id.remove(&id).map(|removed| removed.session)
    }

    /// Lets go of those that are older than a URL is good for.
    pub(super) fn expire(&mut self, now: Instant, lifetime: Duration) -> Vec<Arc<LiveSession>> {
        let mut expired = Vec::new();
        while let Some((_, oldest)) = self.by_id.first_key_value()
            && now.saturating_duration_since(oldest.began) >= lifetime
        {
            expired.extend(self.pop_oldest());
        }
        expired
    }

    fn pop_oldest(&mut self) -> Option<Arc<LiveSession>> {
        let (_, oldest) = self.by_id.pop_first()?;
        self.by_place.remove(&oldest.place);
        Some(oldest.session)
    }
}
