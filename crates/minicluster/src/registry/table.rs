//! The table itself: which sessions there are. It knows nothing of locks or of who watches.

use std::collections::{BTreeMap, BTreeSet};

use super::{Live, Refusal, SESSIONS_PER_NODE, SessionId, Tracks};
use crate::stream::StreamKey;

/// Every session of the cluster.
#[derive(Debug, Default)]
pub(super) struct Table {
    last: u64,
    pub(super) sessions: BTreeMap<SessionId, Session>,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) node: usize,
    pub(super) key: StreamKey,
    pub(super) role: Role,
}

#[derive(Debug)]
pub(super) enum Role {
    /// `live` from the moment the stream can be played.
    Publisher { live: Option<(Tracks, u64)> },
    Player {
        request_id: String,
        publisher: SessionId,
    },
}

impl Table {
    pub(super) fn insert(&mut self, session: Session) -> Result<SessionId, Refusal> {
        if self.load(session.node) >= SESSIONS_PER_NODE {
            return Err(Refusal::Full);
        }
        self.last += 1;
        let id = SessionId(self.last);
        self.sessions.insert(id, session);
        Ok(id)
    }

    pub(super) fn load(&self, node: usize) -> usize {
        self.sessions
            .values()
            .filter(|session| session.node == node)
            .count()
    }

    pub(super) fn publisher(&self, key: &StreamKey) -> Option<(SessionId, &Session)> {
        let found = self
            .sessions
            .iter()
            .find(|(_, s)| matches!(s.role, Role::Publisher { .. }) && s.key == *key);
        found.map(|(id, session)| (*id, session))
    }

    pub(super) fn player(&self, node: usize, key: &StreamKey, wanted: &str) -> Option<SessionId> {
        let found = self.sessions.iter().find(|(_, session)| {
            let named =
                matches!(&session.role, Role::Player { request_id, .. } if request_id == wanted);
            named && session.node == node && session.key == *key
        });
        found.map(|(id, _)| *id)
    }

    pub(super) fn live(&self, key: &StreamKey) -> Option<Live> {
        let (publisher, session) = self.publisher(key)?;
        let Role::Publisher {
            live: Some((tracks, since)),
        } = &session.role
        else {
            return None;
        };
        let players = self.sessions.values().filter_map(|other| match other.role {
            Role::Player {
                publisher: theirs, ..
            } if theirs == publisher => Some(other.node),
            Role::Player { .. } | Role::Publisher { .. } => None,
        });
        Some(Live {
            key: key.clone(),
            node: session.node,
            publisher,
            tracks: tracks.clone(),
            since: *since,
            players: players.collect(),
        })
    }

    pub(super) fn forget_orphans(&mut self) {
        let publishers: BTreeSet<SessionId> = self.sessions.keys().copied().collect();
        self.sessions.retain(|_, session| match session.role {
            Role::Player { publisher, .. } => publishers.contains(&publisher),
            Role::Publisher { .. } => true,
        });
    }
}
