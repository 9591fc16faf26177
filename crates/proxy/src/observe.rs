//! Observe: one record per exchange, counted and written as one access line when the last frame has left.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, Version, header::EXPECT};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use tower::Service;
use tracing::info;

use crate::{
    Body, BodyError, Exchange, Metrics, Peer, Recent, body,
    ending::Ending,
    exchange::{REQUEST_ID, Subject},
    forwarders::Forwarders,
    leftover::{Leftover, Rest},
    metrics::Attempt,
    phases::Phase,
    trace::{Exchanged, Tracing},
};

/// Longest piece of a path in the log, in bytes.
const MAX_PATH: usize = 256;

/// The layer's service; outermost, and the one that turns hyper's body into ours.
#[derive(Clone, Debug)]
pub(crate) struct Observe<S> {
    inner: S,
    /// Every exchange is on it until its last frame has left, so that a shutdown can wait for them.
    exchanges: TaskTracker,
    forwarders: Forwarders,
    tracing: Option<Tracing>,
    metrics: Metrics,
    recent: Recent,
}

impl<S> Observe<S> {
    pub(crate) fn new(
        inner: S,
        exchanges: TaskTracker,
        (forwarders, tracing): (Forwarders, Option<Tracing>),
        metrics: Metrics,
        recent: Recent,
    ) -> Self {
        Self {
            inner,
            exchanges,
            forwarders,
            tracing,
            metrics,
            recent,
        }
    }
}

impl<S> Service<Request<Incoming>> for Observe<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ObserveFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let peer = request.extensions_mut().remove::<Peer>();
        let tracing = self.tracing.as_ref();
        let exchange = Exchange::through(request.headers(), peer, &self.forwarders, tracing);
        let report = Report::begin(
            &exchange,
            &request,
            self.exchanges.token(),
            (self.metrics.clone(), self.recent.clone()),
        );
        request.extensions_mut().insert(exchange.clone());
        let leftover = Leftover::default();
        // Who asks before it sends (RFC 9110 §10.1.1) does not send if it is answered at once.
        let asks_first = request.headers().contains_key(EXPECT);
        let request = request.map(|incoming| {
            if incoming.is_end_stream() {
                return body::empty();
            }
            let inner = leftover.lend(incoming).map_err(body::broken);
            let count = move |bytes| {
                exchange
                    .record()
                    .received
                    .fetch_add(bytes, Ordering::Relaxed);
            };
            Counted { inner, count }.boxed_unsync()
        });
        ObserveFuture {
            inner: self.inner.call(request),
            report: Some(report),
            leftover: (!asks_first).then_some(leftover),
            late: None,
        }
    }
}

pin_project! {
    pub(crate) struct ObserveFuture<F> {
        #[pin]
        inner: F,
        report: Option<Report>,
        leftover: Option<Leftover>,
        // An answer that waits for the rest of the request.
        late: Option<(Response<Body>, Rest)>,
    }
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
            match this.leftover.take().and_then(|leftover| leftover.rest()) {
                Some(rest) => *this.late = Some((response, rest)),
                None => return Poll::Ready(Ok(reported(response, this.report.take()))),
            }
        }
        if let Some((_, rest)) = this.late {
            ready!(rest.poll_over(cx));
        }
        let response = this
            .late
            .take()
            .map_or_else(|| Response::new(body::empty()), |(response, _)| response);
        Poll::Ready(Ok(reported(response, this.report.take())))
    }
}

/// The answer, with the id of its exchange, and with the report, which is made when the answer's body is dropped.
fn reported(mut response: Response<Body>, report: Option<Report>) -> Response<Body> {
    let Some(mut report) = report else {
        return response;
    };
    report.status = Some(response.status());
    report.attempt = Attempt::of(response.status(), response.headers());
    if let Some(ending) = response.extensions_mut().remove::<Ending>()
        && let Some(under_way) = report.under_way.take()
    {
        ending.counts(under_way);
    }
    response
        .headers_mut()
        .insert(REQUEST_ID, report.exchange.record().id.clone());
    let count = move |bytes| report.count(bytes);
    response.map(|inner| Counted { inner, count }.boxed_unsync())
}

pin_project! {
    /// A body whose bytes are counted as they pass.
    struct Counted<B, C> {
        #[pin]
        inner: B,
        count: C,
    }
}

impl<B, C> http_body::Body for Counted<B, C>
where
    B: http_body::Body<Data = Bytes, Error = BodyError>,
    C: FnMut(u64),
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            (this.count)(data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Tells metrics and log about an exchange when it is over, however it ended.
struct Report {
    exchange: Exchange,
    metrics: Metrics,
    recent: Recent,
    method: Method,
    uri: Uri,
    version: Version,
    /// `None` as long as there is no answer: the client may leave before.
    status: Option<StatusCode>,
    /// What came of it, should it be an attempt to make a session.
    attempt: Attempt,
    sent: u64,
    /// `None` if the exchange may be let go before its end.
    under_way: Option<TaskTrackerToken>,
}

impl Report {
    fn begin<B>(
        exchange: &Exchange,
        request: &Request<B>,
        under_way: TaskTrackerToken,
        (metrics, recent): (Metrics, Recent),
    ) -> Self {
        metrics.began();
        Self {
            exchange: exchange.clone(),
            metrics,
            recent,
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            status: None,
            attempt: Attempt::Left,
            sent: 0,
            under_way: Some(under_way),
        }
    }

    fn count(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// Only the Stream Manager's paths are written, and only so far: ours hold stream names, which have a field of
    /// their own, and session tokens, which are secrets.
    fn path(&self) -> &str {
        let path = match self.exchange.subject() {
            Subject::Manager => self.uri.path(),
            _ => "",
        };
        path.get(..path.floor_char_boundary(MAX_PATH))
            .unwrap_or(path)
    }
}

impl Report {
    fn tell(&self) {
        Exchanged {
            exchange: &self.exchange,
            method: &self.method,
            path: self.uri.path(),
            public_path: self.path(),
            version: self.version,
            status: self.status,
            sent: self.sent,
        }
        .tell();
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.tell();
        let record = self.exchange.record();
        let (subject, took) = (self.exchange.subject(), record.began.elapsed());
        match self.status {
            Some(status) => {
                self.metrics.ended(subject, status, took);
                self.recent.ended(&self.exchange, status);
            }
            None => self.metrics.abandoned(),
        }
        let (problem, tries) = (record.problem.get(), self.exchange.tries());
        let times = record.phases.times();
        if let Some(wait) = times.first_byte {
            self.metrics.answered(subject, wait.took);
        }
        if let Some(role) = subject
            .endpoint_of()
            .filter(|_| self.method == Method::POST)
        {
            self.metrics.attempted(role, self.attempt);
        }
        info!(
            target: "access",
            id = self.exchange.id(),
            trace = record.trace.id().map(tracing::field::display),
            client = self.exchange.client().map(tracing::field::display),
            forwarder = self.exchange.forwarder().map(tracing::field::display),
            tls = record.peer.as_ref().map(|peer| peer.tls),
            version = ?self.version,
            method = %self.method,
            about = subject.label(),
            stream = record.stream.get().map(tracing::field::display),
            path = self.path(),
            node = tries.node.map(tracing::field::display),
            tries = (tries.count > 1).then_some(tries.count),
            status = self.status.map_or(0, |status| status.as_u16()),
            problem = problem.map(tracing::field::display),
            opens_with = problem.and_then(|kind| kind.opens_with()),
            received = record.received.load(Ordering::Relaxed),
            sent = self.sent,
            tls_us = times.tls.map(Phase::micros),
            lookup_us = times.lookup.map(Phase::micros),
            connect_us = times.connect.map(Phase::micros),
            first_byte_us = times.first_byte.map(Phase::micros),
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "{}", if self.status.is_some() { "exchange" } else { "the client left before the answer" },
        );
    }
}
