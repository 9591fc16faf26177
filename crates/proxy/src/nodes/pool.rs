//! The idle connections to nodes. The one that was used last is used first, so that those which a
//! lull leaves over grow old together.
//!
//! | bound | why |
//! |---|---|
//! | [`POOL_SIZE`] a node | a burst must not hold its connections for long; the oldest goes first |
//! | [`MAX_NODES`] nodes | what the Stream Manager names has no bound of its own |
//! | [`POOL_IDLE`] | below the keep-alive of any server that a node runs, so that a connection is rarely one that just closed |
//!
//! A connection comes here with the header of its answer, and is given out again once hyper has
//! read the rest of it, so nothing has to wait for that. One task per pool drops what is too old,
//! while there is anything.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1::SendRequest},
};
use tokio::time::{Instant, sleep};

/// Longest time that a connection is idle.
const POOL_IDLE: Duration = Duration::from_secs(15);
/// Idle connections kept per destination.
pub(crate) const POOL_SIZE: usize = 64;
/// Most nodes with idle connections.
const MAX_NODES: usize = 1024;

/// The way into a connection, whose task ends when this is dropped and nothing is in flight.
pub(super) type Connection = SendRequest<Full<Bytes>>;

/// The answer that comes over one; an error holds the request if nothing of it was sent.
pub(crate) type Answer =
    BoxFuture<'static, Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>>>;

/// Connections that wait for their next request. Cheap to clone: all clones are one.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Those of each node, the one that came last at the end.
    idle: HashMap<SocketAddr, Vec<Idle>>,
    /// Whether a task drops what is too old.
    is_swept: bool,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Idle {
    fn is_fresh(&self) -> bool {
        !self.connection.is_closed() && self.since.elapsed() < POOL_IDLE
    }
}

impl Pool {
    /// An idle connection to this node.
    pub(super) fn take(&self, node: SocketAddr) -> Option<Connection> {
        let mut state = self.lock();
        let idle = state.idle.get_mut(&node)?;
        let last = idle
            .iter()
            .rposition(|idle| idle.connection.is_ready() && idle.is_fresh())?;
        Some(idle.remove(last).connection)
    }

    /// Keeps a connection to this node, whose answer has begun.
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the pool; a shutdown does not wait for idle connections"
    )]
    pub(super) fn put(&self, node: SocketAddr, connection: Connection) {
        let mut state = self.lock();
        if state.idle.len() >= MAX_NODES && !state.idle.contains_key(&node) {
            return;
        }
        let idle = state.idle.entry(node).or_default();
        if idle.len() >= POOL_SIZE {
            idle.remove(0);
        }
        idle.push(Idle {
            connection,
            since: Instant::now(),
        });
        if !state.is_swept {
            state.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

/// Drops what is too old or closed, until nothing is left.
async fn sweep(pool: Weak<Mutex<State>>) {
    loop {
        sleep(POOL_IDLE).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = lock(&pool);
        state.idle.retain(|_, idle| {
            idle.retain(Idle::is_fresh);
            !idle.is_empty()
        });
        if state.idle.is_empty() {
            state.is_swept = false;
            return;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
