//! The layers of the stack, outermost first in [`mod@crate::stack`].
//!
//! Each is a [`tower::Layer`] of named fields, `CorsLayer`, and its service, `Cors`. They are our
//! own where tower-http has one for the purpose, for these reasons:
//!
//! | tower-http | why it does not fit |
//! |---|---|
//! | `CorsLayer` | answers every `OPTIONS`; Red5's SDK sends explicit ones, which have to reach a node |
//! | `CatchPanicLayer` | boxes the body once more, and cannot record the panic in the exchange |
//! | `RequestBodyLimitLayer`, `TimeoutLayer` | one limit for all requests, and an error type of their own; here both depend on the route |
//! | `SetRequestIdLayer`, `TraceLayer` | the id and the record of an exchange have to exist before the first layer and to last until the last frame |

pub(crate) mod admission;
pub(crate) mod authentication;
pub(crate) mod cors;
pub(crate) mod health_check;
pub(crate) mod https_redirect;
pub mod intake;
pub(crate) mod observe;
pub(crate) mod problems;
#[cfg(test)]
mod readiness;
pub mod resolving;
pub mod routing;
pub(crate) mod sanitize;
