//! What is counted and listed of the sessions.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
};

use super::{
    table::{SessionTable, lock},
    view::{SessionId, SessionKind, SessionView},
};

/// How many sessions there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// WHIP and WHEP sessions in the table.
    pub http: usize,
    /// WebSocket sessions.
    pub sockets: usize,
    /// WHIP and WHEP sessions that were evicted, because there were too many.
    pub forgotten: u64,
}

impl SessionTable {
    /// How many there are.
    pub fn count(&self) -> Count {
        Count {
            http: self.inner().http_open.load(Ordering::Relaxed),
            sockets: self.inner().sockets_open.load(Ordering::Relaxed),
            forgotten: self.inner().evicted.load(Ordering::Relaxed),
        }
    }

    /// All of them, in no order. What is read of them later is newer.
    pub fn all(&self) -> Vec<Arc<SessionView>> {
        let mut all: Vec<_> = lock(&self.inner().sockets).values().cloned().collect();
        for shard in &self.inner().shards {
            all.extend(lock(&shard.slots).sessions().cloned());
        }
        all
    }

    /// The sessions that vanished and may be reopened.
    pub(super) fn lingering(&self) -> Vec<Arc<SessionView>> {
        let shards = self.inner().shards.iter();
        shards
            .flat_map(|shard| {
                let slots = lock(&shard.slots);
                slots.lingering().cloned().collect::<Vec<_>>()
            })
            .collect()
    }

    /// The one with this id.
    pub fn get(&self, id: SessionId) -> Option<Arc<SessionView>> {
        let socket = lock(&self.inner().sockets).get(&id).cloned();
        let mut shards = self.inner().shards.iter();
        let mut http = || shards.find_map(|shard| lock(&shard.slots).numbered(id.0).cloned());
        socket.or_else(&mut http)
    }

    /// How many sessions each node has, by the address that it is known by.
    pub fn by_node(&self) -> BTreeMap<IpAddr, usize> {
        let mut nodes = BTreeMap::new();
        for session in self.all() {
            if session.kind() != SessionKind::Manager {
                *nodes.entry(session.named()).or_default() += 1;
            }
        }
        nodes
    }
}
