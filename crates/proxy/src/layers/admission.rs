//! Admission: `limits.in_flight`, and nothing else. Above it a request is refused before any work
//! is done for it; health checks have a small limit of their own. Connections are limited in
//! `ingress`, what [`super::intake`] holds of bodies there, and WebSockets and orphans where they
//! begin.
//!
//! A request holds a permit until the header of its answer is there. The time that a client takes
//! to read the answer does not count: a few slow readers could keep all other clients out.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::{Either, Ready, ready as now};
use http::Response;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::{
    Body, Error, Routed,
    layers::health_check,
    request::{
        message::ForManager,
        permits::{Limit, Permit},
    },
};

/// Refuses requests above a limit, over all connections.
#[derive(Clone, Debug)]
pub(crate) struct AdmissionLayer {
    limit: Limit,
    /// For health checks, which pass while the limit is used up.
    checks: Limit,
}

impl AdmissionLayer {
    /// One that admits a request for each permit of `limit`.
    pub(crate) fn new(limit: Limit) -> Self {
        Self {
            limit,
            checks: Limit::new("the most health checks at once", health_check::CAPACITY),
        }
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        let layer = self.clone();
        Admission { inner, layer }
    }
}

/// The service of [`AdmissionLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Admission<S> {
    inner: S,
    layer: AdmissionLayer,
}

impl<S> Service<Routed<Bytes>> for Admission<S>
where
    S: Service<Routed<Bytes>, Response = Response<Body>, Error = Error>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<Ready<Result<Response<Body>, Error>>, AdmittedFuture<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, routed: Routed<Bytes>) -> Self::Future {
        let is_check = matches!(&routed, Routed::Manager(ForManager { request, .. })
            if health_check::is_one(request, false));
        let layer = &self.layer;
        let limit = if is_check {
            &layer.checks
        } else {
            &layer.limit
        };
        match limit.acquire() {
            Ok(permit) => Either::Right(AdmittedFuture {
                inner: self.inner.call(routed),
                permit,
            }),
            Err(full) => Either::Left(now(Err(full))),
        }
    }
}

pin_project! {
    pub(crate) struct AdmittedFuture<F> {
        #[pin]
        inner: F,
        permit: Permit,
    }
}

impl<F: Future> Future for AdmittedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().inner.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt;
    use http::{HeaderMap, Request};
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::{Exchange, RequestBody, request::message::ManagerAsk, words::body};

    fn routed(target: &'static str) -> Routed<Bytes> {
        let request = Request::get(target).body(RequestBody::default());
        Routed::Manager(ForManager {
            ask: ManagerAsk::Any { names_nodes: false },
            request: request.unwrap(),
            exchange: Exchange::begin(&HeaderMap::new(), None),
        })
    }

    #[tokio::test]
    async fn a_permit_is_free_again_when_the_answer_is_there() {
        let (answer, wait) = tokio::sync::watch::channel(false);
        let inner = service_fn(move |_: Routed<Bytes>| {
            let mut wait = wait.clone();
            async move {
                let _ = wait.wait_for(|answered| *answered).await;
                Ok::<_, Error>(Response::new(body::empty()))
            }
        });
        let service = AdmissionLayer::new(Limit::new("limits.in_flight", 1)).layer(inner);
        let mut first = Box::pin(service.clone().oneshot(routed("/")));
        assert!(first.as_mut().now_or_never().is_none());
        let refused = service.clone().oneshot(routed("/")).await.unwrap_err();
        assert!(matches!(
            refused,
            Error::Overloaded {
                what: "limits.in_flight"
            }
        ));
        let check = || routed("/as/v1/admin/healthz");
        let checks: Vec<_> = (0..=health_check::CAPACITY)
            .map(|_| {
                let mut check = Box::pin(service.clone().oneshot(check()));
                (check.as_mut().now_or_never(), check)
            })
            .collect();
        let refused = checks.iter().filter(|(answer, _)| answer.is_some()).count();
        assert_eq!(refused, 1, "they have a limit of their own");
        drop(checks);
        answer.send(true).unwrap();
        let _body_still_there = first.await.unwrap();
        service.oneshot(routed("/")).await.unwrap();
    }
}
