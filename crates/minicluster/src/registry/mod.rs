//! The cluster's one table of streams and sessions. Every part reads it. A session ends when its
//! entry is removed: the media tasks watch the table and drop sessions that are no longer in it.

mod table;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use str0m::format::Codec;
use tokio::sync::watch;

use self::table::{Role, Session, Table};
use crate::stream::StreamKey;

/// Sessions that one node carries at most.
pub(crate) const SESSIONS_PER_NODE: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(u64);

/// What a published stream consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tracks {
    pub(crate) audio: bool,
    pub(crate) video: bool,
    pub(crate) codecs: Vec<Codec>,
}

/// Why a session cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The stream has a publisher already.
    Taken,
    /// The stream has none.
    NotLive,
    /// The player's request id is in use.
    Duplicate,
    /// The node carries [`SESSIONS_PER_NODE`] sessions.
    Full,
}

/// A stream that can be played.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) key: StreamKey,
    pub(crate) node: usize,
    pub(crate) publisher: SessionId,
    pub(crate) tracks: Tracks,
    /// Milliseconds since the Unix epoch.
    pub(crate) since: u64,
    /// The node of each player.
    pub(crate) players: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Registry {
    table: Mutex<Table>,
    changed: watch::Sender<()>,
}

/// A session that ends with this claim, unless it is kept: a client that hangs up while its session
/// is created must not keep the stream's name taken.
pub(crate) struct Claim {
    registry: Arc<Registry>,
    id: Option<SessionId>,
}

impl Claim {
    /// Keep the session.
    pub(crate) fn keep(mut self) {
        self.id = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.registry.end(id);
        }
    }
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            table: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Wakes whenever a session has ended.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Take a stream's name for a publisher on `node`.
    pub(crate) fn reserve_publisher(
        &self,
        node: usize,
        key: &StreamKey,
    ) -> Result<SessionId, Refusal> {
        let mut table = self.lock();
        if table.publisher(key).is_some() {
            return Err(Refusal::Taken);
        }
        table.insert(Session {
            node,
            key: key.clone(),
            role: Role::Publisher { live: None },
        })
    }

    /// Guard a new session until it is kept.
    pub(crate) fn claim(self: &Arc<Self>, id: SessionId) -> Claim {
        Claim {
            registry: self.clone(),
            id: Some(id),
        }
    }

    /// The publisher's stream can be played from now on.
    pub(crate) fn set_live(&self, id: SessionId, tracks: Tracks) {
        if let Some(Session {
            role: Role::Publisher { live },
            ..
        }) = self.lock().sessions.get_mut(&id)
        {
            *live = Some((tracks, unix_millis()));
        }
    }

    /// Begin a player's session on `node`; `request_id` is how its later requests name it.
    pub(crate) fn reserve_player(
        &self,
        node: usize,
        key: &StreamKey,
        request_id: &str,
    ) -> Result<(SessionId, Tracks), Refusal> {
        let mut table = self.lock();
        if table.player(node, key, request_id).is_some() {
            return Err(Refusal::Duplicate);
        }
        let live = table.live(key).ok_or(Refusal::NotLive)?;
        let role = Role::Player {
            request_id: request_id.to_owned(),
            publisher: live.publisher,
        };
        let id = table.insert(Session {
            node,
            key: key.clone(),
            role,
        })?;
        Ok((id, live.tracks))
    }

    /// The publisher's session, if `node` has it.
    pub(crate) fn publisher_at(&self, node: usize, key: &StreamKey) -> Option<SessionId> {
        let table = self.lock();
        table
            .publisher(key)
            .filter(|(_, session)| session.node == node)
            .map(|(id, _)| id)
    }

    /// The player's session, if `node` has it.
    pub(crate) fn player_at(
        &self,
        node: usize,
        key: &StreamKey,
        request_id: &str,
    ) -> Option<SessionId> {
        self.lock().player(node, key, request_id)
    }

    pub(crate) fn live(&self, key: &StreamKey) -> Option<Live> {
        self.lock().live(key)
    }

    /// Every stream that can be played, in order of its key.
    pub(crate) fn all_live(&self) -> Vec<Live> {
        let table = self.lock();
        let keys = table.keys();
        keys.into_iter().filter_map(|key| table.live(key)).collect()
    }

    /// The players of one publisher on `node`, and the other nodes that have some.
    pub(crate) fn players_of(
        &self,
        publisher: SessionId,
        node: usize,
    ) -> (Vec<SessionId>, BTreeSet<usize>) {
        let table = self.lock();
        let (mut here, mut elsewhere) = (Vec::new(), BTreeSet::new());
        for (id, session) in &table.sessions {
            match session.role {
                Role::Player {
                    publisher: theirs, ..
                } if theirs == publisher => {
                    if session.node == node {
                        here.push(*id);
                    } else {
                        elsewhere.insert(session.node);
                    }
                }
                Role::Player { .. } | Role::Publisher { .. } => {}
            }
        }
        (here, elsewhere)
    }

    /// The publisher that a player watches, and its node.
    pub(crate) fn publisher_of(&self, player: SessionId) -> Option<(SessionId, usize)> {
        let table = self.lock();
        match table.sessions.get(&player)?.role {
            Role::Player { publisher, .. } => {
                Some((publisher, table.sessions.get(&publisher)?.node))
            }
            Role::Publisher { .. } => None,
        }
    }

    pub(crate) fn contains(&self, id: SessionId) -> bool {
        self.lock().sessions.contains_key(&id)
    }

    /// Sessions on a node: what the Stream Manager calls its load.
    pub(crate) fn load(&self, node: usize) -> usize {
        self.lock().load(node)
    }

    /// Give a transcoder the provision of these streams: while one of them is published there, all
    /// can be played. What is played is the published one, as it is.
    pub(crate) fn provision(&self, node: usize, streams: Vec<StreamKey>) {
        self.lock().provision(node, streams);
    }

    /// End a session, and with a publisher its players; returns whether there was one.
    pub(crate) fn end(&self, id: SessionId) -> bool {
        let ended = self.lock().end(id);
        if ended {
            self.changed.send_replace(());
        }
        ended
    }

    /// End every session of a node, as when it dies.
    pub(crate) fn end_node(&self, node: usize) {
        self.lock().end_node(node);
        self.changed.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, in milliseconds since the Unix epoch.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StreamKey {
        StreamKey::new("live", "s")
    }

    #[test]
    fn a_name_is_taken_once_and_players_go_with_their_publisher() {
        let registry = Registry::new();
        let publisher = registry.reserve_publisher(0, &key()).unwrap();
        assert_eq!(registry.reserve_publisher(1, &key()), Err(Refusal::Taken));
        assert_eq!(
            registry.reserve_player(1, &key(), "a").unwrap_err(),
            Refusal::NotLive
        );

        registry.set_live(publisher, Tracks::default());
        let (player, _) = registry.reserve_player(1, &key(), "a").unwrap();
        assert_eq!(
            registry.reserve_player(1, &key(), "a").unwrap_err(),
            Refusal::Duplicate
        );
        assert_eq!(registry.publisher_of(player), Some((publisher, 0)));
        assert_eq!(
            registry.players_of(publisher, 0),
            (vec![], BTreeSet::from([1]))
        );
        assert_eq!(registry.player_at(0, &key(), "a"), None);

        assert!(registry.end(publisher));
        assert!(!registry.contains(player));
        assert!(!registry.end(publisher));
    }

    #[test]
    fn a_provision_makes_variants_of_one_publisher_at_its_node() {
        let registry = Registry::new();
        let variant = |level: u8| StreamKey::new("live", &format!("s_{level}"));
        let publish = |node| {
            let id = registry.reserve_publisher(node, &variant(1)).unwrap();
            registry.set_live(id, Tracks::default());
            id
        };
        registry.provision(1, vec![variant(1), variant(2)]);
        let elsewhere = publish(0);
        assert!(registry.live(&variant(2)).is_none(), "no transcoder");
        registry.end(elsewhere);
        let publisher = publish(1);
        let live = registry.live(&variant(2)).unwrap();
        assert_eq!((live.node, live.publisher), (1, publisher));
        assert_eq!(registry.all_live().len(), 2);
        let (player, _) = registry.reserve_player(0, &variant(2), "a").unwrap();
        assert_eq!(registry.live(&variant(2)).unwrap().players, [0]);
        assert!(registry.live(&variant(1)).unwrap().players.is_empty());
        registry.end(publisher);
        assert!(!registry.contains(player));
        publish(1);
        assert!(registry.live(&variant(2)).is_none(), "not provisioned anew");
    }

    #[test]
    fn a_claim_that_is_not_kept_ends_its_session() {
        let registry = Arc::new(Registry::new());
        let id = registry.reserve_publisher(0, &key()).unwrap();
        drop(registry.claim(id));
        assert!(!registry.contains(id));
        let id = registry.reserve_publisher(0, &key()).unwrap();
        registry.claim(id).keep();
        assert!(registry.contains(id));
    }

    #[test]
    fn a_node_refuses_sessions_beyond_its_limit() {
        let registry = Registry::new();
        for number in 0..SESSIONS_PER_NODE {
            registry
                .reserve_publisher(0, &StreamKey::new("live", &number.to_string()))
                .unwrap();
        }
        assert_eq!(registry.reserve_publisher(0, &key()), Err(Refusal::Full));
        registry.end_node(0);
        assert_eq!(registry.load(0), 0);
    }
}
