//! The layers between a client's HTTP request and the node or the Stream Manager: HTTP in, HTTP
//! out.
//!
//! Begin with [`mod@stack`]: it is the way of a request, one line a layer, each in a file of the
//! same name. This crate binds no socket and reads no file.
//!
//! A layer that *learns* something changes the type of the request: [`http::Request`] → [`Clean`] →
//! [`Routed<Unread>`] → [`Routed<Bytes>`] → [`Bound`]. Layers in this order compile,
//!
//! ```
//! # use http::Response;
//! # use tower::Service;
//! # use whipstitch_proxy::{Body, Bound, Clean, Error, intake::Intake, resolving::Resolving, routing::Routing};
//! # fn takes_clean<S: Service<Clean>>() {}
//! # fn layered<D>() where
//! #     D: Service<Bound, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
//! #     D::Future: Send,
//! # {
//! takes_clean::<Routing<Intake<Resolving<D>>>>();
//! # }
//! ```
//!
//! and in another they do not:
//!
//! ```compile_fail
//! # use http::Response;
//! # use tower::Service;
//! # use whipstitch_proxy::{Body, Bound, Clean, Error, intake::Intake, resolving::Resolving, routing::Routing};
//! # fn takes_clean<S: Service<Clean>>() {}
//! # fn layered<D>() where
//! #     D: Service<Bound, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
//! #     D::Future: Send,
//! # {
//! takes_clean::<Intake<Routing<Resolving<D>>>>();
//! # }
//! ```

mod current;
mod destinations;
mod layers;
mod nodes;
mod report;
mod request;
mod sessions;
pub mod stack;
mod words;

pub use current::Current;
pub use destinations::splice;
pub use layers::{intake, resolving, routing};
pub use report::{
    incidents::{self, Incidents},
    log,
    metrics::{self, Metrics},
    panics,
    refusal::refusal,
};
pub use request::{
    clock,
    exchange::Exchange,
    message::{Bound, Clean, Routed, Unread},
    peer::Peer,
    permits::{Limit, Permits},
    request_body::RequestBody,
    trace::{self, Tracing},
};
pub use sessions::{
    Count, NotAnId, SessionId, SessionKind, SessionTable, SessionView, Sides, Terminator,
    drain_signal::DrainSignal, vanished,
};
pub use stack::{Dependencies, Memory, Settings, Stack, stack};
pub use words::{
    body::{Body, BodyError},
    config,
    end_reason::EndReason,
    error::Error,
    problem, reason,
};
