//! The end of the stack: three destinations, one service.

pub(crate) mod forward;
pub(crate) mod manager;
pub(crate) mod public_url;
pub mod splice;

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::Response;
use tower::Service;

use crate::{
    Body, Bound, Error,
    destinations::{forward::Forward, manager::Manager, splice::Splice},
    words::reason::Answerer,
};

/// Carries a request whose destination is known.
#[derive(Clone)]
pub(crate) struct Destinations(Arc<All>);

struct All {
    forward: Arc<Forward>,
    splice: Splice,
    manager: Manager,
}

impl Destinations {
    pub(crate) fn new(forward: Forward, splice: Splice, manager: Manager) -> Self {
        Self(Arc::new(All {
            forward: Arc::new(forward),
            splice,
            manager,
        }))
    }
}

impl Service<Bound> for Destinations {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, bound: Bound) -> Self::Future {
        let all = self.0.clone();
        Box::pin(async move {
            let (exchange, answerer) = match &bound {
                Bound::Node(to) => (to.exchange.clone(), Answerer::Node),
                Bound::Socket(to) => (to.exchange.clone(), Answerer::Node),
                Bound::Manager { exchange, .. } | Bound::ManagerSocket { exchange, .. } => {
                    (exchange.clone(), Answerer::Manager)
                }
            };
            let answer = match bound {
                Bound::Node(to) => all.forward.clone().send(to).await,
                Bound::Socket(to) => all.splice.open(to).await,
                Bound::Manager {
                    request,
                    names_nodes,
                    exchange,
                } => all.manager.send(request, names_nodes, &exchange).await,
                Bound::ManagerSocket { request, exchange } => {
                    let opened = all.splice.open_to_manager(&all.manager, request, exchange);
                    opened.await
                }
            };
            if answer.is_ok() {
                exchange.answered_by(answerer);
            }
            answer
        })
    }
}
