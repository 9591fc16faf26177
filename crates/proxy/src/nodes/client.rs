//! The HTTP client of the nodes: pooled connections to plain IP addresses.

mod timed;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri, Version, header::HOST};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        self, Client, ResponseFuture,
        connect::{CaptureConnection, HttpConnector, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::Instant;
use tracing::debug;
use whipstitch_origin::{Cause, Directory};

use self::timed::Made;
pub(crate) use self::timed::Timed;
use crate::request::{
    budget::Budget,
    phases::{Phase, Phases},
};

/// The client of the nodes, which get bodies that are there as a whole.
pub(crate) type Nodes = Client<Timed<HttpConnector>, Full<Bytes>>;

/// Below the keep-alive of any server that a node runs, so that a pooled connection is rarely one
/// that just closed.
const POOL_IDLE: Duration = Duration::from_secs(15);
/// Idle connections kept per destination.
pub(crate) const POOL_SIZE: usize = 64;

/// A client of the nodes. Redirects are not followed, and a request whose first byte was sent is
/// never sent again.
pub(crate) fn client(connect: Duration, directory: Arc<dyn Directory>) -> Nodes {
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
            Self::NotConnected(cause)
            | Self::OutOfTime(cause)
            | Self::Broken(cause)
            | Self::Timeout(cause) => cause.fmt(f),
            Self::Defect => f.write_str("the request makes no valid URL of the node"),
        }
    }
}

/// A request that was sent to a node and has no answer yet.
pub(crate) struct Sent {
    answer: ResponseFuture,
    connection: CaptureConnection,
    began: Instant,
}

impl Sent {
    /// A request to `uri`; it is sent when its answer is awaited.
    pub(crate) fn new(client: &Nodes, request: Request<Bytes>, uri: Uri) -> Self {
        let mut request = request.map(Full::new);
        // It may have come over HTTP/2.
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = uri;
        // The client adds that of the new URI.
        request.headers_mut().remove(HOST);
        let connection = capture_connection(&mut request);
        Self {
            answer: client.request(request),
            connection,
            began: Instant::now(),
        }
    }

    /// Waits for the header of the answer as long as the budget lasts.
    pub(crate) async fn answered(
        &mut self,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<Response<Incoming>, Failed> {
        let mut answer = match budget.pay(&mut self.answer).await {
            Some(answer) => answer.map_err(|error| blame(&error, self.began.elapsed())),
            None => Err(match *self.connection.connection_metadata() {
                Some(_) => Failed::Timeout(Cause::Timeout(self.began.elapsed())),
                None => Failed::OutOfTime(Cause::Timeout(self.began.elapsed())),
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
            Err(Failed::Broken(_) | Failed::Timeout(_) | Failed::Defect) => self.made(),
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

    /// The client is gone: the answer that may still come; `None` if there is no connection, so
    /// that nothing was sent.
    pub(crate) fn left_alone(self) -> Option<ResponseFuture> {
        let is_sent = self.connection.connection_metadata().is_some();
        is_sent.then_some(self.answer)
    }
}

/// What failed. `waited` is for the log.
fn blame(error: &legacy::Error, waited: Duration) -> Failed {
    debug!(error = error as &dyn std::error::Error, "no answer");
    let cause = Cause::of(error, waited);
    if error.is_connect() {
        Failed::NotConnected(cause)
    } else {
        Failed::Broken(cause)
    }
}
