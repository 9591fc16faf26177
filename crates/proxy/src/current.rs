//! The active stack. Another one can replace it at any time: requests in flight stay in the old
//! one, and the next request of any connection goes to the new one.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use http::{Request, Response};
use hyper::body::Incoming;
use tower::{Service, ServiceExt, util::Oneshot};

use crate::{Body, Stack};

/// Serves with the active stack. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Current(Arc<ArcSwap<Stack>>);

impl Current {
    /// One that serves with this stack.
    pub fn new(stack: Stack) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(stack)))
    }

    /// Serves with this stack from now on.
    pub fn replace(&self, stack: Stack) {
        self.0.store(Arc::new(stack));
    }
}

impl Service<Request<Incoming>> for Current {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Oneshot<Stack, Request<Incoming>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Readiness is polled by the `Oneshot`, on the stack that is active at `call`.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        Stack::clone(&self.0.load()).oneshot(request)
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}
