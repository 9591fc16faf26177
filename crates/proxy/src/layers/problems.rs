//! Problems: makes an answer of every error, and of every panic. The only place that does.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::Service;
use tracing::error;

use crate::{
    Body, Error, Exchange, Metrics,
    words::{
        config::NotLiveStatus,
        problem::{self, Kind},
    },
};

/// The layer's service.
#[derive(Clone, Debug)]
pub(crate) struct Problems<S> {
    inner: S,
    not_live: NotLiveStatus,
    metrics: Metrics,
}

impl<S> Problems<S> {
    pub(crate) fn new(inner: S, not_live: NotLiveStatus, metrics: Metrics) -> Self {
        Self {
            inner,
            not_live,
            metrics,
        }
    }
}

impl<S> Service<Request<Body>> for Problems<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ProblemsFuture<S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Nothing inside queues: each layer that refuses work does so with an error when it is
        // called.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let exchange = request.extensions().get::<Exchange>().cloned();
        let inner = catch_unwind(AssertUnwindSafe(|| self.inner.call(request))).ok();
        ProblemsFuture {
            inner,
            exchange,
            not_live: self.not_live,
            metrics: self.metrics.clone(),
        }
    }
}

pin_project! {
    pub(crate) struct ProblemsFuture<F> {
        // `None` if the call itself panicked.
        #[pin]
        inner: Option<F>,
        exchange: Option<Exchange>,
        not_live: NotLiveStatus,
        metrics: Metrics,
    }
}

impl<F> Future for ProblemsFuture<F>
where
    F: Future<Output = Result<Response<Body>, Error>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this
            .inner
            .as_pin_mut()
            .map(|inner| catch_unwind(AssertUnwindSafe(|| inner.poll(cx))));
        let outcome = if let Some(Ok(polled)) = polled {
            ready!(polled)
        } else {
            this.metrics.panicked();
            error!(
                id = this.exchange.as_ref().map(Exchange::id),
                "a request panicked; please report this as a defect"
            );
            Err(Error::Internal)
        };
        Poll::Ready(Ok(outcome.unwrap_or_else(|error| {
            let exchange = this.exchange.as_ref();
            this.metrics.problem(Kind::of(&error));
            tell(&error, exchange, *this.not_live)
        })))
    }
}

fn tell(error: &Error, exchange: Option<&Exchange>, not_live: NotLiveStatus) -> Response<Body> {
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
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::words::body;

    async fn ask<F>(inner: fn(Request<Body>) -> F) -> Response<Body>
    where
        F: Future<Output = Result<Response<Body>, Error>>,
    {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        Problems::new(service_fn(inner), NotLiveStatus::default(), metrics)
            .oneshot(Request::new(body::empty()))
            .await
            .unwrap()
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
