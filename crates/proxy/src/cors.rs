//! Cors: lets pages of any origin use this proxy, and read its errors.
//!
//! A preflight is answered here: a lookup for it would allocate a node for nothing. An explicit `OPTIONS` (which Red5's
//! SDK sends to learn ICE servers) is not a preflight and goes on. Every answer carries the headers exactly once, in
//! place of the node's own; doubled ones break browsers, and an error without them is only "CORS error" to a page.
//!
//! No credentials mode: clients authenticate by query or `Authorization`, never by cookie, so `*` is exact.
//! `Authorization` has to be listed, as `*` does not cover it (Fetch, CORS protocol).

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::future::{Either, Ready, ready as now};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    },
};
use pin_project_lite::pin_project;
use tower::Service;

use crate::{Body, Exchange, body, reason::Answerer};

const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

const ANY: HeaderValue = HeaderValue::from_static("*");
/// `OPTIONS` is not a safelisted method: Red5's SDK needs it listed. Players decide on trickle by finding `PATCH`.
const METHODS: HeaderValue = HeaderValue::from_static("OPTIONS, POST, PATCH, DELETE, GET, HEAD");
/// `ETag` as a request header is what some clients send in place of `If-Match`.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, If-Match, ETag, Accept, Link, Last-Event-ID, traceparent, X-Requested-With",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Location, Link, ETag, Accept-Patch, Accept-Post, Retry-After, WWW-Authenticate, Access-Control-Allow-Methods, \
     Session-Host, X-Request-Id, Server-Timing",
);
/// Two hours: the most that Chromium keeps.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// The layer's service.
#[derive(Clone, Debug)]
pub(crate) struct Cors<S> {
    inner: S,
}

impl<S> Cors<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Request<Body>> for Cors<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<Body>, S::Error>>, CorsFuture<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let options = request.method() == Method::OPTIONS;
        if options
            && request
                .headers()
                .contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            if let Some(exchange) = request.extensions().get::<Exchange>() {
                exchange.answered_by(Answerer::Preflight);
            }
            return Either::Left(now(Ok(preflight(request.headers()))));
        }
        Either::Right(CorsFuture {
            inner: self.inner.call(request),
            options,
        })
    }
}

pin_project! {
    pub(crate) struct CorsFuture<F> {
        #[pin]
        inner: F,
        options: bool,
    }
}

impl<F, E> Future for CorsFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let headers = response.headers_mut();
        for name in [
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_MAX_AGE,
        ] {
            headers.remove(name);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if *this.options {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        } else {
            headers.remove(ACCESS_CONTROL_ALLOW_METHODS);
        }
        Poll::Ready(Ok(response))
    }
}

fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if asked.contains_key(REQUEST_PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;

    /// A node with CORS headers of its own.
    async fn node(_: Request<Body>) -> Result<Response<Body>, Infallible> {
        let response = Response::builder()
            .status(418)
            .header(ACCESS_CONTROL_ALLOW_ORIGIN, "https://a.example")
            .header(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true")
            .header(ACCESS_CONTROL_ALLOW_METHODS, "GET");
        Ok(response.body(body::empty()).unwrap())
    }

    async fn ask(method: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Cors::new(service_fn(node))
            .oneshot(request.body(body::empty()).unwrap())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_preflight_ends_here() {
        let answer = ask(
            "OPTIONS",
            &[
                ("access-control-request-method", "OPTIONS"),
                ("origin", "https://a"),
            ],
        )
        .await;
        assert_eq!(answer.status(), 204);
        let methods = answer.headers()["access-control-allow-methods"]
            .to_str()
            .unwrap();
        assert!(
            ["OPTIONS", "POST", "PATCH", "DELETE"]
                .iter()
                .all(|method| methods.contains(method))
        );
        assert!(
            answer.headers()["access-control-allow-headers"]
                .to_str()
                .unwrap()
                .contains("Authorization")
        );
        assert!(
            !answer
                .headers()
                .contains_key("access-control-allow-private-network")
        );
    }

    #[tokio::test]
    async fn an_explicit_options_goes_on_and_shows_the_methods() {
        let answer = ask("OPTIONS", &[("origin", "https://a")]).await;
        assert_eq!(answer.status(), 418);
        assert!(
            answer.headers()["access-control-allow-methods"]
                .to_str()
                .unwrap()
                .contains("PATCH")
        );
    }

    #[tokio::test]
    async fn the_nodes_own_headers_are_replaced_on_errors_too() {
        let answer = ask("POST", &[]).await;
        let origins: Vec<_> = answer
            .headers()
            .get_all(ACCESS_CONTROL_ALLOW_ORIGIN)
            .iter()
            .collect();
        assert_eq!(origins, ["*"]);
        assert!(
            !answer
                .headers()
                .contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS)
        );
        assert!(
            answer.headers()[ACCESS_CONTROL_EXPOSE_HEADERS]
                .to_str()
                .unwrap()
                .contains("Location")
        );
    }
}
