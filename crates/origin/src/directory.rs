//! What the proxy asks of this crate, and what the crate asks of a manager.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::BoxFuture;
use whipstitch_signaling::StreamKey;

use crate::{
    admit::Origin,
    asker::Asker,
    cause::Cause,
    error::LookupError,
    lookup::{Candidates, Lookup},
};

/// Answers lookups without a cache: the Stream Manager, or the circuit breaker around it.
pub trait Source: Send + Sync + 'static {
    /// Asks once, for this client. `Ok` holds at least one node.
    fn ask<'a>(
        &'a self,
        lookup: &'a Lookup,
        asker: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>>;
}

/// Finds the nodes that can carry a stream, and learns from what happens there.
pub trait Directory: Send + Sync + 'static {
    /// The nodes for a lookup, the one to try first at the front; never empty. On a cache miss the
    /// manager is asked on behalf of this client, or of one with an equal lookup.
    fn locate<'a>(
        &'a self,
        lookup: &'a Lookup,
        asker: Asker,
        purpose: Purpose,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>>;

    /// Invalidates the answer to a lookup: the next one asks the manager.
    fn forget(&self, lookup: &Lookup);

    /// A publish ended: invalidates all answers about this stream.
    fn ended(&self, stream: &StreamKey);

    /// A stream was published: invalidates "no such stream".
    fn published(&self, stream: &StreamKey);

    /// Records the outcome of a request to a node.
    fn report(&self, origin: &Origin, outcome: Outcome);

    /// Records how long it took to connect to the node at this address.
    fn connected(&self, node: SocketAddr, took: Duration) {
        let _ = (node, took);
    }
}

/// What the caller does with the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It sends a session, or the `OPTIONS` that a session's POST follows: this counts as a use of
    /// the answer.
    Session,
    /// It only wants the manager to name the nodes of a stream to the gate, and sends them nothing:
    /// this does not count.
    Inquiry,
}

/// The outcome of a request to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, with any status that the other variants do not claim.
    Answered,
    /// It answered 502 or 503, or closed the connection before its answer.
    Unable(Cause),
    /// It accepted the request and did not answer in time.
    Silent(Cause),
    /// The connection failed.
    Unreachable(Cause),
}
