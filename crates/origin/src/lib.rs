//! Which node carries a stream.
//!
//! The Stream Manager is the only source of truth. [`StreamManager`] asks it, [`Cached`] remembers what it said, and
//! [`AllowedOrigins`] decides, for every address wherever it comes from, whether it may be dialled. An [`Origin`]
//! exists only because that gate let it through.

pub mod admit;
pub mod cached;
pub mod config;
pub mod connect;
mod lookup;
pub mod metrics;
pub mod stream_manager;

use futures_util::future::BoxFuture;

pub use admit::{AllowedOrigins, Claim, Origin, Refusal};
pub use cached::Cached;
pub use lookup::{Candidates, Hints, HintsTooLong, Lookup, LookupError, ManagerFault};
pub use metrics::Metrics;
pub use stream_manager::{BaseUrl, BaseUrlError, StreamManager};

/// Tells which nodes can carry a stream.
pub trait Directory: Send + Sync + 'static {
    /// The nodes for a lookup, the best first; never empty.
    fn locate<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<Candidates, LookupError>>;

    /// Says that what was answered to a lookup did not hold: it is asked anew the next time.
    fn forget<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, ()>;

    /// Says that a node cannot be reached: no answer of before now that names it is used again.
    fn failed(&self, origin: &Origin);
}
