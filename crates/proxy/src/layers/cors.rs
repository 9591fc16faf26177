//! Cors: lets pages of any origin use this proxy, and read its errors.
//!
//! A preflight is answered here: a lookup for it would allocate a node for nothing. An explicit
//! `OPTIONS` (which Red5's SDK sends to learn ICE servers) is not a preflight and passes. Every
//! answer carries the headers exactly once, in place of the node's own; doubled ones break
//! browsers, and an error without them is only "CORS error" to a page.
//!
//! No credentials mode: clients authenticate by query or `Authorization`, never by cookie, so what
//! a preflight asks for is allowed, and `*` is exact. A node or a manager that allows credentials
//! is overruled: the preflight that it would need is answered here, and a page that has a cookie of
//! the Stream Manager has to ask that itself.
//!
//! | `proxy.allowed_origins`, `proxy.cors_origins` | an origin of the list | another one, or none |
//! |---|---|---|
//! | empty, or with `*` | `Access-Control-Allow-Origin: *` | the same |
//! | a list | the origin as it asks, `Vary: Origin` | none, `Vary: Origin`; a preflight is a 403 |

mod rules;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::future::{Either, Ready, ready as now};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, VARY,
    },
};
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use whipstitch_signaling::{Api, web_origin::WebOrigin};

use self::rules::{Allowed, Rules};
use crate::{
    Body, Exchange, Metrics, RequestBody,
    words::{
        body,
        config::NotLiveStatus,
        error::Denied,
        problem::{self, Kind},
        reason::Answerer,
    },
};

const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// The name of the same in the draft that follows (Local Network Access).
const REQUEST_LOCAL_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-local-network");
const ALLOW_LOCAL_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-local-network");

const ANY: HeaderValue = HeaderValue::from_static("*");
/// Two hours: the most that Chromium keeps.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Answers preflights, and marks every answer with the CORS headers.
#[derive(Clone, Debug)]
pub(crate) struct CorsLayer {
    rules: Arc<Rules>,
    metrics: Metrics,
}

impl CorsLayer {
    /// One for these pages; for all if there are none.
    pub(crate) fn new(api: Api, origins: Vec<WebOrigin>, metrics: Metrics) -> Self {
        let rules = Arc::new(Rules { api, origins });
        Self { rules, metrics }
    }

    /// The answer to a preflight, which ends here.
    fn preflight(&self, request: &Request<RequestBody>, allowed: &Allowed) -> Response<Body> {
        let exchange = request.extensions().get::<Exchange>();
        if let Some(exchange) = exchange {
            exchange.answered_by(Answerer::Preflight);
        }
        if *allowed == Allowed::None {
            let error = Denied::Origin.into();
            self.metrics.problem(Kind::of(&error));
            if let Some(exchange) = exchange {
                exchange.failed(Kind::of(&error));
            }
            let id = exchange.map_or("", Exchange::id);
            let mut refused = problem::response(&error, id, NotLiveStatus::default());
            mark(refused.headers_mut(), allowed);
            return refused;
        }
        let asked = request.headers();
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        mark(headers, allowed);
        let methods = self.rules.methods(request.uri().path());
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, rules::headers(asked));
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        for (request, allow) in [
            (REQUEST_PRIVATE_NETWORK, ALLOW_PRIVATE_NETWORK),
            (REQUEST_LOCAL_NETWORK, ALLOW_LOCAL_NETWORK),
        ] {
            if asked.contains_key(request) {
                headers.insert(allow, HeaderValue::from_static("true"));
            }
        }
        response
    }
}

/// Says whose pages may use an answer, once, and that it depends on who asks if it does.
fn mark(headers: &mut HeaderMap, allowed: &Allowed) {
    let origin = match allowed {
        Allowed::Any => {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
            return;
        }
        Allowed::Asking(origin) => Some(origin.clone()),
        Allowed::None => None,
    };
    headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Cors<S> {
        let layer = self.clone();
        Cors { inner, layer }
    }
}

/// The service of [`CorsLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Cors<S> {
    inner: S,
    layer: CorsLayer,
}

impl<S> Service<Request<RequestBody>> for Cors<S>
where
    S: Service<Request<RequestBody>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<Body>, S::Error>>, CorsFuture<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let rules = &self.layer.rules;
        let allowed = rules.allowed(request.headers());
        let is_options = request.method() == Method::OPTIONS;
        if is_options
            && request
                .headers()
                .contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            return Either::Left(now(Ok(self.layer.preflight(&request, &allowed))));
        }
        let methods = is_options.then(|| rules.methods(request.uri().path()));
        Either::Right(CorsFuture {
            inner: self.inner.call(request),
            methods,
            allowed,
        })
    }
}

pin_project! {
    pub(crate) struct CorsFuture<F> {
        #[pin]
        inner: F,
        // Told in the answer to an explicit `OPTIONS`.
        methods: Option<HeaderValue>,
        allowed: Allowed,
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
            ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_MAX_AGE,
        ] {
            headers.remove(name);
        }
        mark(headers, this.allowed);
        let exposed = rules::exposed(headers);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        if let Some(methods) = this.methods.take() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;

    /// A node with CORS headers of its own.
    async fn node(_: Request<RequestBody>) -> Result<Response<Body>, Infallible> {
        let response = Response::builder()
            .status(418)
            .header(ACCESS_CONTROL_ALLOW_ORIGIN, "https://a.example")
            .header(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true")
            .header(ACCESS_CONTROL_EXPOSE_HEADERS, "X-Node")
            .header(ACCESS_CONTROL_ALLOW_METHODS, "GET");
        Ok(response.body(body::empty()).unwrap())
    }

    async fn ask(method: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        CorsLayer::new(Api::V1, Vec::new(), metrics)
            .layer(service_fn(node))
            .oneshot(request.body(RequestBody::default()).unwrap())
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
        let exposed = answer.headers()[ACCESS_CONTROL_EXPOSE_HEADERS]
            .to_str()
            .unwrap();
        assert!(
            exposed.contains("Location") && exposed.contains("x-node"),
            "{exposed}"
        );
    }
}
