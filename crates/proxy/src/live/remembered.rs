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
    /// Red5 keys a publisher by its name, so that a new one at a place means the end of the former. Players may share a
    /// place, and are told apart by their time.
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

    pub(super) fn at(&self, place: &Place) -> Option<&LiveSession> {
        let id = self.by_place.get(place)?;
        self.by_id.get(id).map(|found| &*found.session)
    }

    /// How many had to go for it.
    pub(super) fn insert(&mut self, place: Place, session: Arc<LiveSession>) -> u64 {
        self.remove(&place);
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
        let mut gone = 0;
        while self.by_id.len() > MAX && self.pop_oldest() {
            gone += 1;
        }
        gone
    }

    pub(super) fn remove(&mut self, place: &Place) {
        if let Some(id) = self.by_place.remove(place) {
            self.by_id.remove(&id);
        }
    }

    /// Lets go of those that are older than a URL is good for.
    pub(super) fn expire(&mut self, now: Instant, lifetime: Duration) {
        while let Some((_, oldest)) = self.by_id.first_key_value()
            && now.saturating_duration_since(oldest.began) >= lifetime
        {
            self.pop_oldest();
        }
    }

    fn pop_oldest(&mut self) -> bool {
        let oldest = self.by_id.pop_first();
        if let Some((_, oldest)) = &oldest {
            self.by_place.remove(&oldest.place);
        }
        oldest.is_some()
    }
}
