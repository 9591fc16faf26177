//! The HTTP client of the nodes: pooled connections to plain IP addresses.

mod timed;
mod upstream_timer;

use std::{error::Error as _, fmt, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, Uri, Version, header::HOST};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        self, Client, ResponseFuture,
        connect::{CaptureConnection, Connect, HttpConnector, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::Instant;
use tracing::debug;
use whipstitch_origin::{Cause, Directory};

pub(crate) use self::timed::Timed;
use self::{timed::Made, upstream_timer::UpstreamTimer};
use crate::{
    Body, BodyError,
    request::phases::{Phase, Phases},
    words::body::Patience,
};

/// Below the keep-alive of any server that a node runs, so that a pooled connection is rarely one
/// that just closed.
const POOL_IDLE: Duration = Duration::from_secs(15);
/// Idle connections kept per destination.
pub(crate) const POOL_SIZE: usize = 64;

/// A client of the nodes. Redirects are not followed, and a request whose first byte was sent is
/// never sent again.
pub(crate) fn client(
    connect: Duration,
    directory: Arc<dyn Directory>,
) -> Client<Timed<HttpConnector>, Body> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(connect));
    connector.set_keepalive(Some(Duration::from_secs(30)));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_SIZE)
        .build(Timed::new(connector, directory))
}

/// Why there is no answer.
pub(crate) enum Failed {
    /// The client's own body broke off, or broke a limit.
    Body(BodyError),
    /// No connection, since the node refused it or let `timeouts.connect` pass: nothing was sent.
    NotConnected(Cause),
    /// No connection by the time that the budget was over: nothing was sent.
    OutOfTime(Cause),
    /// A connection that broke before the answer.
    Broken(Cause),
    /// A connection, but no header of an answer in time.
    Timeout(Cause),
    /// The request cannot be written for a node: a defect of ours, since the layers above have
    /// checked node, path and token. It says nothing about the node.
    Defect,
}

/// For the operator: what failed, in the words of [`Cause`].
impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => write!(f, "the request body: {error}"),
            Self::NotConnected(cause)
            | Self::OutOfTime(cause)
            | Self::Broken(cause)
            | Self::Timeout(cause) => cause.fmt(f),
            Self::Defect => f.write_str("the request makes no valid URL of the node"),
        }
    }
}

/// A request that was sent over HTTP/1.1 and has no answer yet.
pub(crate) struct Sent {
    answer: ResponseFuture,
    connection: CaptureConnection,
    timer: UpstreamTimer,
    began: Instant,
}

impl Sent {
    /// A request to `uri`, with this `Host` or the URI's; it is sent when its answer is awaited.
    pub(crate) fn new<C>(
        client: &Client<C, Body>,
        mut request: Request<Body>,
        uri: Uri,
        host: Option<&HeaderValue>,
    ) -> Self
    where
        C: Connect + Clone + Send + Sync + 'static,
    {
        // It may have come over HTTP/2; the client adds the Host of the new URI if there is none.
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = uri;
        request.headers_mut().remove(HOST);
        if let Some(host) = host {
            request.headers_mut().insert(HOST, host.clone());
        }
        let connection = capture_connection(&mut request);
        let timer = UpstreamTimer::default();
        if !request.body().is_end_stream() {
            request = request.map(|inner| timer.watch(inner));
        }
        Self {
            answer: client.request(request),
            connection,
            timer,
            began: Instant::now(),
        }
    }

    /// Waits for the header of the answer until the destination has spent the time of `patience`.
    /// The time of the client's body has a limit of its own.
    pub(crate) async fn answered(
        &mut self,
        patience: Patience,
        phases: &Phases,
    ) -> Result<Response<Incoming>, Failed> {
        let mut answer = tokio::select! {
            answer = &mut self.answer => answer.map_err(|error| blame(&error, self.began.elapsed())),
            () = self.timer.expired(patience) => Err(match *self.connection.connection_metadata() {
                Some(_) => Failed::Timeout(Cause::Timeout(self.timer.spent())),
                None => Failed::OutOfTime(Cause::Timeout(self.timer.spent())),
            }),
        };
        self.record(&mut answer, phases);
        answer
    }

    /// Records the wait for a connection, if it was not one of the pool, and for the answer.
    fn record(&self, answer: &mut Result<Response<Incoming>, Failed>, phases: &Phases) {
        let made = match answer {
            Ok(answer) => answer.extensions_mut().remove::<Made>(),
            Err(Failed::NotConnected(_) | Failed::OutOfTime(_)) => {
                return phases.connect(Phase::since(self.began));
            }
            Err(Failed::Body(_) | Failed::Broken(_) | Failed::Timeout(_) | Failed::Defect) => {
                self.made()
            }
        };
        // The pool may have given it a connection that was begun for another request.
        let made = made.filter(|made| made.ready > self.began);
        if let Some(made) = made {
            let began = made.began.max(self.began);
            phases.connect(Phase::between(began, made.ready));
        }
        if answer.is_ok() {
            let began = made.map_or(self.began, |made| made.ready);
            phases.first_byte(Phase::since(began));
        }
    }

    /// When the connection was made, if no answer says so.
    fn made(&self) -> Option<Made> {
        let mut extras = http::Extensions::new();
        (*self.connection.connection_metadata())
            .as_ref()?
            .get_extras(&mut extras);
        extras.remove()
    }

    /// The time that the destination has spent.
    pub(crate) fn spent(&self) -> Duration {
        self.timer.spent()
    }

    /// The client is gone: the answer that may still come; `None` if the destination does not have
    /// all of the request; it gets no more of it.
    pub(crate) fn left_alone(self) -> Option<ResponseFuture> {
        let is_sent = self.connection.connection_metadata().is_some() && self.timer.stop_sending();
        is_sent.then_some(self.answer)
    }
}

/// What failed: an error of the request body is the cause of hyper's error, which is the cause of
/// the client's. `waited` is for the log.
fn blame(error: &legacy::Error, waited: Duration) -> Failed {
    let body = error
        .source()
        .and_then(|hyper| hyper.source())
        .and_then(|cause| cause.downcast_ref::<BodyError>());
    if let Some(body) = body {
        return Failed::Body(body.clone());
    }
    debug!(error = error as &dyn std::error::Error, "no answer");
    let cause = Cause::of(error, waited);
    if error.is_connect() {
        Failed::NotConnected(cause)
    } else {
        Failed::Broken(cause)
    }
}
