//! No layer calls the next one before that is ready (see [`mod@crate::stack`]).

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, header::HOST};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, layer::layer_fn};
use whipstitch_origin::BaseUrl;
use whipstitch_signaling::Api;

use super::{
    admission::AdmissionLayer,
    cors::CorsLayer,
    intake::{Held, IntakeLayer},
    problems::ProblemsLayer,
    resolving::{ResolvingLayer, tests::unasked_resolver},
    routing::{RoutingLayer, Rules},
    sanitize::SanitizeLayer,
};
use crate::{
    Bound, Error, Exchange, Metrics, RequestBody,
    request::permits::Limit,
    words::{
        body,
        config::{Limits, NotLiveStatus, Proxy, Timeouts},
    },
};

/// Panics when it is called before it is ready. A clone of it is not ready.
struct Strict<S> {
    inner: S,
    is_ready: bool,
}

impl<S: Clone> Clone for Strict<S> {
    fn clone(&self) -> Self {
        strict(self.inner.clone())
    }
}

impl<S: Service<R>, R> Service<R> for Strict<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.inner.poll_ready(cx))?;
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> S::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before ready");
        self.inner.call(request)
    }
}

fn strict<S>(inner: S) -> Strict<S> {
    Strict {
        inner,
        is_ready: false,
    }
}

#[tokio::test]
async fn no_layer_is_called_before_it_is_ready() {
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let limits = Limits::default();
    let rules = Arc::new(Rules {
        api: Api::V1,
        base: BaseUrl::parse("http://sm").unwrap(),
        proxy: Proxy::default(),
        limits: limits.clone(),
        timeouts: Timeouts::default(),
    });
    let destination = tower::service_fn(|_: Bound| async {
        let answer = Response::new(body::full("served"));
        Ok::<_, Error>(answer)
    });
    let service = ServiceBuilder::new()
        .layer(layer_fn(strict))
        .layer(CorsLayer::new(Api::V1, Vec::new(), metrics.clone()))
        .layer(layer_fn(strict))
        .layer(ProblemsLayer {
            not_live: NotLiveStatus::default(),
            metrics,
        })
        .layer(layer_fn(strict))
        .layer(SanitizeLayer::new(&[]))
        .layer(layer_fn(strict))
        .layer(RoutingLayer { rules })
        .layer(layer_fn(strict))
        .layer(IntakeLayer::new(
            Held::default(),
            &limits,
            &Timeouts::default(),
        ))
        .layer(layer_fn(strict))
        .layer(AdmissionLayer::new(Limit::new("limits.in_flight", 1)))
        .layer(layer_fn(strict))
        .layer(ResolvingLayer {
            resolver: unasked_resolver(),
        })
        .layer(layer_fn(strict))
        .service(destination);
    // Twice: what is ready once need not be ready again.
    for _ in 0..2 {
        let mut request = Request::get("/streammanager/api/4.0/event/list")
            .header(HOST, "a")
            .body(RequestBody::default())
            .unwrap();
        let exchange = Exchange::begin(request.headers(), None);
        request.extensions_mut().insert(exchange);
        let answer = service.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

/// A layer that is called too early fails the test above.
#[tokio::test]
#[should_panic(expected = "called before ready")]
async fn an_early_call_is_noticed() {
    let mut service =
        layer_fn(strict).layer(tower::service_fn(|(): ()| async { Ok::<_, Error>(()) }));
    let _ = service.call(()).await;
}
