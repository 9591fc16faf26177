//! The table itself: which sessions there are. It has no locks and no watchers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Live, Refusal, SESSIONS_PER_NODE, SessionId, Tracks};
use crate::stream::StreamKey;

/// Every session of the cluster.
#[derive(Debug, Default)]
pub(super) struct Table {
    last: u64,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    ladders: Vec<Ladder>,
}

/// The variants of a provision that a node has: while one of them is published there, all can be
/// played.
#[derive(Debug, PartialEq, Eq)]
struct Ladder {
    node: usize,
    streams: Vec<StreamKey>,
}

/// Ladders that are kept at most; the oldest go first.
const MAX_LADDERS: usize = 1024;

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

    /// Give a node the provision of these streams.
    pub(super) fn provision(&mut self, node: usize, streams: Vec<StreamKey>) {
        let ladder = Ladder { node, streams };
        self.ladders.retain(|kept| *kept != ladder);
        if self.ladders.len() >= MAX_LADDERS {
            self.ladders.remove(0);
        }
        self.ladders.push(ladder);
    }

    /// A provision serves one publisher: the next publisher needs another lookup.
    fn forget_ladder(&mut self, session: &Session) {
        if matches!(session.role, Role::Publisher { .. }) {
            self.ladders
                .retain(|kept| kept.node != session.node || !kept.streams.contains(&session.key));
        }
    }

    pub(super) fn end(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.remove(&id) else {
            return false;
        };
        self.forget_ladder(&session);
        self.forget_orphans();
        true
    }

    pub(super) fn end_node(&mut self, node: usize) {
        self.sessions.retain(|_, session| session.node != node);
        self.ladders.retain(|ladder| ladder.node != node);
        self.forget_orphans();
    }

    /// The streams that are published, and their variants.
    pub(super) fn keys(&self) -> BTreeSet<&StreamKey> {
        let published = self.sessions.values().map(|session| &session.key);
        let variants = self.ladders.iter().flat_map(|ladder| &ladder.streams);
        published.chain(variants).collect()
    }

    /// The publisher of this variant.
    fn source(&self, variant: &StreamKey) -> Option<(SessionId, &Session)> {
        let mut ladders = self
            .ladders
            .iter()
            .filter(|ladder| ladder.streams.contains(variant));
        ladders.find_map(|ladder| {
            let mut published = ladder.streams.iter().filter_map(|key| self.publisher(key));
            published.find(|(_, session)| session.node == ladder.node)
        })
    }

    pub(super) fn live(&self, key: &StreamKey) -> Option<Live> {
        let (publisher, session) = self.publisher(key).or_else(|| self.source(key))?;
        let Role::Publisher {
            live: Some((tracks, since)),
        } = &session.role
        else {
            return None;
        };
        let players = self.sessions.values().filter_map(|other| match other.role {
            Role::Player {
                publisher: theirs, ..
            } if theirs == publisher && other.key == *key => Some(other.node),
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

    fn forget_orphans(&mut self) {
        let publishers: BTreeSet<SessionId> = self.sessions.keys().copied().collect();
        self.sessions.retain(|_, session| match session.role {
            Role::Player { publisher, .. } => publishers.contains(&publisher),
            Role::Publisher { .. } => true,
        });
    }
}
