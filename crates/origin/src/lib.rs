//! Which node carries a stream.
//!
//! The Stream Manager is the only source of truth. [`StreamManager`] asks it, [`Cached`] remembers
//! what it said, and [`AllowedOrigins`] decides, for every address wherever it comes from, whether
//! it may be dialled. An [`Origin`] exists only because that gate let it through.

pub mod address_map;
pub mod admit;
mod answer;
mod api;
mod asker;
mod base_url;
pub mod breaker;
pub mod cached;
mod cause;
pub mod config;
pub mod connect;
pub mod health;
pub mod latency;
mod lookup;
pub mod metrics;
pub mod node_list;
pub mod resolve;
pub mod stream_manager;

use std::{net::SocketAddr, time::Duration};

use futures_util::future::BoxFuture;
use whipstitch_signaling::StreamKey;

pub use address_map::{Mapping, MappingError};
pub use admit::{AllowedOrigins, Claim, NamePattern, NamePatternError, Origin, Refusal};
pub use asker::{Asker, ByNetwork, ByNetworkError, Network};
pub use base_url::{BaseUrl, BaseUrlError, HostError, PathError};
pub use breaker::Breaker;
pub use cached::Cached;
pub use cause::{Cause, Seconds};
pub use health::Health;
pub use lookup::{Candidates, Hints, HintsError, Lookup, LookupError, ManagerFault};
pub use metrics::Metrics;
pub use node_list::NodeList;
pub use resolve::{Resolve, Resolver};
pub use stream_manager::StreamManager;

/// Whoever answers lookups without remembering: the Stream Manager, and what stands before it.
pub trait Source: Send + Sync + 'static {
    /// Asks once, for this client. The nodes are never none.
    fn ask<'a>(
        &'a self,
        lookup: &'a Lookup,
        asker: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>>;
}

/// Tells which nodes can carry a stream.
pub trait Directory: Send + Sync + 'static {
    /// The nodes for a lookup, the one to try first at the front; never empty. If the manager has
    /// to be asked, it is for this client, or for one whose lookup is the same.
    fn locate<'a>(
        &'a self,
        lookup: &'a Lookup,
        asker: Asker,
        purpose: Purpose,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>>;

    /// Says that what was answered to a lookup did not hold: it is asked anew the next time.
    fn forget(&self, lookup: &Lookup);

    /// Says that a publish ended: what is known about the place of this stream is over.
    fn ended(&self, stream: &StreamKey);

    /// Says that a stream was published: that there is no such stream is over.
    fn published(&self, stream: &StreamKey);

    /// Says what became of a request to a node.
    fn report(&self, origin: &Origin, outcome: Outcome);

    /// Says how long a connection to the node at this address took to come about.
    fn connected(&self, node: SocketAddr, took: Duration) {
        let _ = (node, took);
    }
}

/// What a node is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A session: it counts as a use of the answer.
    Session,
    /// A question such as `OPTIONS`: it does not.
    Inquiry,
}

/// What became of a request to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, whatever the answer was, unless it is one of the next.
    Answered,
    /// It answered 502 or 503, or hung up on the request: it cannot serve now, or not this.
    Unable(Cause),
    /// It took the request and did not answer in time.
    Silent(Cause),
    /// No connection.
    Unreachable(Cause),
}
