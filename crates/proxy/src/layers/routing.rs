//! Routing: what is asked for. Answers here what needs no node, and refuses what no node should
//! see.

mod rules;

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{Either, Ready, ready as now};
use http::Response;
use tower::{Layer, Service};

use self::rules::Decision;
pub(crate) use self::rules::Rules;
use crate::{Body, Clean, Error, Routed, Unread};

/// Decides by these rules what a request asks for.
#[derive(Clone, Debug)]
pub(crate) struct RoutingLayer {
    pub(crate) rules: Arc<Rules>,
}

impl<S> Layer<S> for RoutingLayer {
    type Service = Routing<S>;

    fn layer(&self, inner: S) -> Routing<S> {
        let rules = self.rules.clone();
        Routing { inner, rules }
    }
}

/// The service of this layer.
#[derive(Clone, Debug)]
pub struct Routing<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> Service<Clean> for Routing<S>
where
    S: Service<Routed<Unread>, Response = Response<Body>, Error = Error>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<Ready<Result<Response<Body>, Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, clean: Clean) -> Self::Future {
        match self.rules.decide(clean) {
            Ok(Decision::Go(routed)) => Either::Right(self.inner.call(*routed)),
            Ok(Decision::Answer(response)) => Either::Left(now(Ok(response))),
            Err(error) => Either::Left(now(Err(error))),
        }
    }
}

#[cfg(test)]
mod tests;
