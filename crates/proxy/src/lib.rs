//! The layers between a client's HTTP request and the node or the Stream Manager: HTTP in, HTTP out.
//!
//! Begin with [`mod@stack`]: it is the way of a request, one line a layer, each in a file of the same name. This crate
//! binds no socket and reads no file.
//!
//! A layer that *learns* something changes the type of the request: [`http::Request`] → [`Clean`] → [`Routed`] →
//! [`Bound`]. Layers in this order compile,
//!
//! ```
//! # use http::Response;
//! # use tower::Service;
//! # use whipstitch_proxy::{Body, Bound, Clean, Error, resolving::Resolving, routing::Routing};
//! # fn takes_clean<S: Service<Clean>>() {}
//! # fn layered<D>() where
//! #     D: Service<Bound, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
//! #     D::Future: Send,
//! # {
//! takes_clean::<Routing<Resolving<D>>>();
//! # }
//! ```
//!
//! and in another they do not:
//!
//! ```compile_fail
//! # use http::Response;
//! # use tower::Service;
//! # use whipstitch_proxy::{Body, Bound, Clean, Error, resolving::Resolving, routing::Routing};
//! # fn takes_clean<S: Service<Clean>>() {}
//! # fn layered<D>() where
//! #     D: Service<Bound, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
//! #     D::Future: Send,
//! # {
//! takes_clean::<Resolving<Routing<D>>>();
//! # }
//! ```

mod abandoned;
mod admission;
mod bearer;
mod body;
mod budget;
pub mod clock;
mod close_signal;
pub mod config;
mod cors;
mod countered;
mod creation;
mod current;
mod destinations;
mod ending;
mod error;
mod exchange;
mod failover;
mod forward;
mod forwarders;
mod health_check;
mod intake;
mod known_sessions;
mod leftover;
mod lent;
pub mod live;
pub mod log;
mod manager;
mod message;
pub mod metrics;
mod newest;
mod node_client;
mod observe;
mod phases;
mod pins;
mod places;
pub mod problem;
mod problems;
mod public;
pub mod reason;
pub mod recent;
pub mod resolving;
pub mod routing;
mod sanitize;
mod server_timing;
pub mod splice;
pub mod stack;
pub mod trace;
mod under_way;

pub use body::{Body, BodyError};
pub use close_signal::CloseSignal;
pub use current::Current;
pub use error::Error;
pub use exchange::{Exchange, Peer};
pub use live::Live;
pub use message::{Bound, Clean, Routed};
pub use metrics::Metrics;
pub use places::{Places, Room};
pub use recent::Recent;
pub use stack::{Dependencies, Memory, Settings, Stack, stack};
pub use trace::Tracing;
