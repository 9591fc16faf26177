//! The end of the stack: three destinations, one service.

pub(crate) mod forward;
pub(crate) mod manager;
pub(crate) mod public_url;
pub mod splice;

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, TryFutureExt as _, future::BoxFuture};
use http::Response;
use tower::Service;

use crate::{
    Body, Bound, Error, Exchange,
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

    /// Each destination has a box of its own: one for all would be as large as the largest.
    fn call(&mut self, bound: Bound) -> Self::Future {
        let all = self.0.clone();
        match bound {
            Bound::Node(to) => {
                let exchange = to.exchange.clone();
                answered(all.forward.clone().send(to), exchange, Answerer::Node)
            }
            Bound::Socket(to) => {
                let exchange = to.exchange.clone();
                let opened = async move { all.splice.open(to).await };
                answered(opened, exchange, Answerer::Node)
            }
            Bound::Manager {
                request,
                names_nodes,
                exchange,
            } => {
                let told = exchange.clone();
                let sent = async move { all.manager.send(request, names_nodes, &exchange).await };
                answered(sent, told, Answerer::Manager)
            }
            Bound::ManagerSocket { request, exchange } => {
                let told = exchange.clone();
                let opened = async move {
                    let manager = &all.manager;
                    all.splice.open_to_manager(manager, request, exchange).await
                };
                answered(opened, told, Answerer::Manager)
            }
        }
    }
}

/// The same answer; its exchange records who gave it.
fn answered(
    answer: impl Future<Output = Result<Response<Body>, Error>> + Send + 'static,
    exchange: Exchange,
    by: Answerer,
) -> BoxFuture<'static, Result<Response<Body>, Error>> {
    answer.inspect_ok(move |_| exchange.answered_by(by)).boxed()
}
