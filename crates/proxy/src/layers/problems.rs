//! Problems: makes an answer of every error, and of every panic. The only place that does.
//!
//! The layers below are asked for readiness here, within the request: what a layer waits for then
//! is part of the request's time, and a panic in it is caught, too.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service, ServiceExt, util::Oneshot};
use tracing::error;

use crate::{
    Body, Error, Exchange, Metrics, RequestBody,
    words::{
        config::NotLiveStatus,
        problem::{self, Kind},
    },
};

/// Turns errors and panics into `application/problem+json`.
#[derive(Clone, Debug)]
pub(crate) struct ProblemsLayer {
    /// The status for a stream that is not live.
    pub(crate) not_live: NotLiveStatus,
    /// Counts problems and panics.
    pub(crate) metrics: Metrics,
}

impl<S> Layer<S> for ProblemsLayer {
    type Service = Problems<S>;

    fn layer(&self, inner: S) -> Problems<S> {
        let layer = self.clone();
        Problems { inner, layer }
    }
}

/// The service of [`ProblemsLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Problems<S> {
    inner: S,
    layer: ProblemsLayer,
}

impl<S> Service<Request<RequestBody>> for Problems<S>
where
    S: Service<Request<RequestBody>, Response = Response<Body>, Error = Error> + Clone,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ProblemsFuture<Oneshot<S, Request<RequestBody>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The `Oneshot` of the call waits until the layers below are ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        ProblemsFuture {
            exchange: request.extensions().get::<Exchange>().cloned(),
            inner: self.inner.clone().oneshot(request),
            layer: self.layer.clone(),
        }
    }
}

pin_project! {
    pub(crate) struct ProblemsFuture<F> {
        #[pin]
        inner: F,
        exchange: Option<Exchange>,
        layer: ProblemsLayer,
    }
}

impl<F> Future for ProblemsFuture<F>
where
    F: Future<Output = Result<Response<Body>, Error>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = this.inner;
        let outcome = if let Ok(polled) = catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            ready!(polled)
        } else {
            error!(
                id = this.exchange.as_ref().map(Exchange::id),
                "a request panicked; please report this as a defect"
            );
            Err(Error::Internal)
        };
        Poll::Ready(Ok(outcome.unwrap_or_else(|error| {
            let exchange = this.exchange.as_ref();
            this.layer.metrics.problem(Kind::of(&error));
            answer(&error, exchange, this.layer.not_live)
        })))
    }
}

/// The answer to a failed request, which its exchange records.
fn answer(error: &Error, exchange: Option<&Exchange>, not_live: NotLiveStatus) -> Response<Body> {
    if let Some(exchange) = exchange {
        exchange.failed(Kind::of(error));
        if let Some(cause) = error.cause() {
            exchange.failed_by(cause);
        }
    }
    problem::response(error, exchange.map_or("", Exchange::id), not_live)
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;
    use tower::service_fn;

    use super::*;

    async fn ask<F>(inner: fn(Request<RequestBody>) -> F) -> Response<Body>
    where
        F: Future<Output = Result<Response<Body>, Error>>,
    {
        let layer = ProblemsLayer {
            not_live: NotLiveStatus::default(),
            metrics: Metrics::register(&Registry::new()).unwrap(),
        };
        let request = Request::new(RequestBody::default());
        let answer = layer.layer(service_fn(inner)).oneshot(request);
        answer.await.unwrap()
    }

    #[tokio::test]
    async fn an_error_becomes_a_problem() {
        let answer = ask(|_| async { Err(Error::Method { allow: "POST" }) }).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["allow"]),
            (405, &"POST".parse().unwrap())
        );
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }

    #[tokio::test]
    async fn a_panic_becomes_a_problem_too() {
        let later = ask(|_| async { panic!("on purpose, in the future") }).await;
        assert_eq!(later.status(), 500);
        let at_once = ask(|_| -> std::future::Ready<_> { panic!("on purpose, in the call") }).await;
        assert_eq!(at_once.status(), 500);
    }
}
