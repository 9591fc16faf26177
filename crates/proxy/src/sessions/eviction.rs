//! How sessions leave the table without an end at their node: by age, and when there are too many.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    end_log,
    slots::Gone,
    table::{SessionTable, lock},
    view::SessionView,
};
use crate::words::end_reason::EndReason;

impl SessionTable {
    /// Takes the rate of every socket since the last sample, and forgets what has expired. To be
    /// called every few seconds.
    pub fn sample(&self, since_last: Duration) {
        for socket in lock(&self.inner().sockets).values() {
            socket.traffic().sample(since_last);
        }
        for shard in &self.inner().shards {
            let now = self.inner().start.elapsed();
            let expired = self.within(shard, |slots| slots.expire(now, self.inner().lifetime));
            for gone in expired {
                self.left(&gone, EndReason::Expired);
            }
        }
    }

    /// These left their slot: they leave their clients too, and the one that was open is logged.
    pub(super) fn left(&self, gone: &Gone<Arc<SessionView>>, why: EndReason) {
        for session in gone.closed.iter().chain(&gone.lingering) {
            if let Some(http) = session.at_node()
                && let Some(client) = &http.client
            {
                lock(&self.inner().clients).remove(client, session.id());
            }
        }
        if let Some(session) = &gone.closed {
            end_log::log(session, why, None);
        }
    }

    /// Forgets what is oldest while there are too many: closed sessions first, then players, and
    /// publishers last.
    pub(super) fn evict(&self) {
        while self.inner().remembered.load(Ordering::Relaxed)
            > self.inner().capacity.load(Ordering::Relaxed)
        {
            let shards = self.inner().shards.iter();
            let oldest = shards.filter_map(|shard| Some((lock(&shard.slots).expendable()?, shard)));
            let Some(((_, number), shard)) = oldest.min_by_key(|(oldest, _)| *oldest) else {
                return;
            };
            let evicted = self.within(shard, |slots| slots.forget(number));
            if evicted.closed.is_some() {
                self.inner().evicted.fetch_add(1, Ordering::Relaxed);
            }
            self.left(&evicted, EndReason::Evicted);
        }
    }
}
