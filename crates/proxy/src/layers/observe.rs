//! Observe: one record per exchange, counted and written as one access line when the last frame has
//! left.

mod counted;
mod report;

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{EXPECT, STRICT_TRANSPORT_SECURITY},
};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio_util::task::TaskTracker;
use tower::{Layer, Service};

use self::{counted::Sent, report::Report};
use crate::{
    Body, Exchange, Incidents, Metrics, Peer, RequestBody,
    report::server_timing,
    request::{
        drain_exemption::DrainExemption,
        request_body::drain::{BodyDrain, Drain},
        request_id::REQUEST_ID,
        trace::Tracing,
        trusted_proxies::{Scheme, TrustedProxies},
    },
    words::body,
};
#[cfg(test)]
pub(crate) use report::written;

/// Measures and logs every exchange, and turns hyper's body into ours.
#[derive(Clone, Debug)]
pub(crate) struct ObserveLayer {
    /// Every exchange is on it until its last frame has left, so that a shutdown can wait for them.
    pub(crate) exchanges: TaskTracker,
    /// The peers whose forwarded headers are believed.
    pub(crate) proxies: TrustedProxies,
    /// How requests are traced; `None` if they are not.
    pub(crate) tracing: Option<Tracing>,
    /// Counts the exchanges.
    pub(crate) metrics: Metrics,
    /// Keeps the errors for the status page.
    pub(crate) incidents: Incidents,
    /// Whether answers get a `Server-Timing` header.
    pub(crate) server_timing: bool,
    /// `Strict-Transport-Security` of answers to clients that use `https`.
    pub(crate) hsts: Option<HeaderValue>,
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        let layer = self.clone();
        Observe { inner, layer }
    }
}

/// The service of [`ObserveLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Observe<S> {
    inner: S,
    layer: ObserveLayer,
}

impl<S> Service<Request<Incoming>> for Observe<S>
where
    S: Service<Request<RequestBody>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ObserveFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let layer = &self.layer;
        let peer = request.extensions_mut().remove::<Peer>();
        let tracing = layer.tracing.as_ref();
        let exchange = Exchange::through(request.headers(), peer, &layer.proxies, tracing);
        let report = Report::begin(
            &exchange,
            &request,
            layer.exchanges.token(),
            (layer.metrics.clone(), layer.incidents.clone()),
        );
        request.extensions_mut().insert(exchange.clone());
        // A client that asks before it sends (RFC 9110 §10.1.1) does not send if it is answered at
        // once.
        let sends = !request.body().is_end_stream() && !request.headers().contains_key(EXPECT);
        let drain = sends.then(BodyDrain::default);
        let request = request.map(|body| RequestBody::new(body, exchange, drain.clone()));
        ObserveFuture {
            inner: self.inner.call(request),
            report: Some(report),
            drain,
            late: None,
            marks: Marks {
                server_timing: layer.server_timing,
                hsts: layer.hsts.clone(),
            },
        }
    }
}

pin_project! {
    pub(crate) struct ObserveFuture<F> {
        #[pin]
        inner: F,
        report: Option<Report>,
        drain: Option<BodyDrain>,
        // An answer that waits for the rest of the request.
        late: Option<(Response<Body>, Drain)>,
        marks: Marks,
    }
}

/// What answers are marked with.
struct Marks {
    server_timing: bool,
    hsts: Option<HeaderValue>,
}

impl<F> Future for ObserveFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.late.is_none() {
            let response = match ready!(this.inner.poll(cx)) {
                Ok(response) => response,
                Err(never) => match never {},
            };
            match this.drain.take().and_then(|drain| drain.rest()) {
                Some(rest) => *this.late = Some((response, rest)),
                None => {
                    return Poll::Ready(Ok(reported(response, this.report.take(), this.marks)));
                }
            }
        }
        if let Some((_, rest)) = this.late {
            ready!(rest.poll_done(cx));
        }
        let response = this
            .late
            .take()
            .map_or_else(|| Response::new(body::empty()), |(response, _)| response);
        Poll::Ready(Ok(reported(response, this.report.take(), this.marks)))
    }
}

/// The answer, with the id of its exchange, and with the report, which is made when the answer's
/// body is dropped.
fn reported(mut response: Response<Body>, report: Option<Report>, marks: &Marks) -> Response<Body> {
    let Some(mut report) = report else {
        return response;
    };
    if let Some(exemption) = response.extensions_mut().remove::<DrainExemption>()
        && let Some(in_flight) = report.in_flight.take()
    {
        exemption.hold(in_flight);
    }
    report.answered(&response);
    let mut id = report.exchange.record().id.clone();
    // No answer has it again: HPACK shall not keep it in place of what each one has (RFC 7541
    // §7.1.3).
    id.set_sensitive(true);
    response.headers_mut().insert(REQUEST_ID, id);
    if marks.server_timing {
        server_timing::add(response.headers_mut(), &report.exchange);
    }
    if let Some(hsts) = &marks.hsts {
        set_hsts(response.headers_mut(), hsts, &report.exchange);
    }
    response.map(|inner| Sent::new(inner, report).boxed_unsync())
}

/// Over plain HTTP there must be none (RFC 6797 §7.2), not a node's own either.
fn set_hsts(headers: &mut HeaderMap, hsts: &HeaderValue, exchange: &Exchange) {
    match exchange.scheme_to_us() {
        Some(Scheme::Https) => headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone()),
        _ => headers.remove(STRICT_TRANSPORT_SECURITY),
    };
}
