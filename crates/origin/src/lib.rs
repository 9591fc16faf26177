//! Which node carries a stream.
//!
//! The Stream Manager is the only source of truth. [`StreamManager`] asks it, [`Breaker`] stops
//! asking while it is down, and [`Cached`] keeps the answers. [`AllowedOrigins`] decides for every
//! address, from any source, whether the proxy may dial it. Only that gate makes an [`Origin`].

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
mod directory;
mod error;
pub mod health;
pub mod latency;
mod live_streams;
mod lookup;
pub mod metrics;
mod net;
pub mod node_list;
pub mod provoked;
mod refusal;
pub mod resolve;
pub mod stream_manager;

pub use admit::{AllowedOrigins, Claim, Origin};
pub use asker::{Asker, ByNetwork, ByNetworkError, Network};
pub use base_url::{BaseUrl, BaseUrlError, HostError, PathError};
pub use breaker::Breaker;
pub use cached::Cached;
pub use cause::{Cause, Seconds};
pub use directory::{Directory, Outcome, Purpose, Source};
pub use error::{LookupError, ManagerFault};
pub use health::Health;
pub use live_streams::{Found, LiveStreams, Looked, NotAskable};
pub use lookup::{Candidates, Hints, HintsError, Lookup};
pub use metrics::Metrics;
pub use net::{Mapping, MappingError, NamePattern, NamePatternError};
pub use node_list::NodeList;
pub use refusal::Refusal;
pub use resolve::{Resolve, Resolver};
pub use stream_manager::StreamManager;
