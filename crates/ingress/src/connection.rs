//! One client connection: the version of HTTP, its limits, and its end.
//!
//! | the connection | is ended after | how |
//! |---|---|---|
//! | has not made a request | `header_timeout` | without a word; with GOAWAY over HTTP/2 |
//! | receives the header of a request over HTTP/1 | `header_timeout` from its first byte | 408 |
//! | waits for the next request | `idle_timeout` | HTTP/1: end of output, and what still comes is read; HTTP/2: GOAWAY |
//! | waits for the next request, and another client for its place | at once, the longest idle one first | the same |
//! | has sent nothing when the process stops | [`FIRST_BYTE`] | the same; a request in that time is answered with `Connection: close` |
//!
//! A request that has arrived in the moment of an end is served. HTTP/2 says in its GOAWAY which
//! requests it has taken. HTTP/1 has no such word: what was sent before the end of output arrived
//! is lost, for as long as that takes to arrive (RFC 9112 §9.5). Hence the long `idle_timeout`: a
//! balancer that closes its idle connections earlier never meets that.

use std::{
    convert::Infallible,
    error::Error,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::debug;

use crate::{
    Socket,
    activity::{Activity, End, Timer},
    config::Connections,
    control_frames::ControlFrames,
    handshake::TlsHandshake,
    proxy_protocol::Client,
    refusal::{MAX_HEADER, Refusal},
    refusals::Refusals,
    room::Room,
    watched::Watched,
    wire::Wire,
};

/// Largest header that the HTTP/2 library takes, in bytes as it counts them. Above [`MAX_HEADER`],
/// so that a header between the two is answered as over HTTP/1; what is beyond gets a bare 431 of
/// the library's.
const MAX_H2_HEADER: u32 = 256 * 1024;
/// Streams that an HTTP/2 client may open and reset before it is told to go (CVE-2023-44487).
const MAX_H2_RESETS: usize = 20;
/// What an HTTP/2 client may send before it is read, a stream and a connection.
const H2_WINDOWS: (u32, u32) = (64 * 1024, 1024 * 1024);
/// How often a silent HTTP/2 client is asked whether it is there, and how long it may take to
/// answer.
const H2_PING: Duration = Duration::from_secs(20);
/// How long an HTTP/2 client that made no request may take to answer a GOAWAY.
const H2_GOODBYE: Duration = Duration::from_secs(1);
/// How long a connection that has sent nothing may take for its first byte when the process stops.
/// It was accepted, so no successor that inherits the listener will see it.
pub const FIRST_BYTE: Duration = Duration::from_secs(1);
/// How long a busy HTTP/2 connection waits before it is asked for its place again.
const BUSY: Duration = Duration::from_millis(100);

/// What is known of a connection before its first request.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionInfo {
    /// Who is at its other end.
    pub client: Client,
    /// The handshake of TLS, if that protects it.
    pub tls: Option<TlsHandshake>,
}

/// What can serve the requests of a connection.
pub trait HttpService<B>:
    Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S, B> HttpService<B> for S where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// What a connection has to keep to.
pub(crate) struct Terms<'a> {
    pub(crate) limits: &'a Connections,
    pub(crate) drain: CancellationToken,
    /// Asks idle connections for their place.
    pub(crate) room: Arc<Room>,
    pub(crate) refusals: Refusals,
    pub(crate) client: SocketAddr,
}

impl Terms<'_> {
    fn watched<S>(&self, inner: S, activity: &Activity) -> TowerToHyperService<Watched<S>> {
        TowerToHyperService::new(Watched {
            inner,
            activity: activity.clone(),
            refusals: self.refusals.clone(),
            client: self.client,
            drain: self.drain.clone(),
        })
    }
}

/// Serves requests until the client is done, or until `drain` asks for an end and pending ones
/// are answered.
pub(crate) async fn serve<S, B>(socket: Socket, service: S, terms: Terms<'_>)
where
    S: HttpService<B>,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (refusals, client) = (terms.refusals.clone(), terms.client);
    let ended = if socket.chose_h2() {
        serve_h2(socket, service, terms).await
    } else {
        serve_h1(socket, service, terms).await
    };
    let Err(error) = ended else { return };
    debug!(%error, "a connection ended early");
    if error.is_parse_version_h2() {
        refusals.count(Refusal::Http2ToPlain, client);
    } else if error.to_string().starts_with("http2 error") {
        refusals.count(Refusal::Http2Broken, client);
    }
}

async fn serve_h1<S, B>(socket: Socket, service: S, terms: Terms<'_>) -> hyper::Result<()>
where
    S: HttpService<B>,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut builder = conn::http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_buf_size(MAX_HEADER)
        .half_close(false);
    let activity = Activity::default();
    let service = terms.watched(service, &activity);
    let wire = Wire::new(
        socket,
        activity.clone(),
        terms.refusals.clone(),
        terms.client,
    );
    let mut connection = pin!(
        builder
            .serve_connection(TokioIo::new(wire), service)
            .with_upgrades()
    );
    let mut drained = pin!(drained(&terms.drain, &activity));
    let mut is_draining = false;
    let mut timer = Timer::default();
    let mut room: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
    let mut is_asked = false;
    poll_fn(|cx| {
        loop {
            activity.before_poll();
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            if activity.after_poll() || activity.release() {
                // Now, and not when the next header comes.
                cx.waker().wake_by_ref();
            }
            if is_asked && activity.ending().is_none() {
                // Bytes have come in the moment of the end: another connection may be idle.
                is_asked = false;
                terms.room.ask();
            }
            is_draining = is_draining || drained.as_mut().poll(cx).is_ready();
            let mut end = is_draining.then_some(End::Idle);
            if let Some((deadline, due)) = activity.deadline(terms.limits)
                && timer.is_past(deadline, cx)
            {
                end = Some(due);
            }
            if activity.is_idle() {
                let needed = room.get_or_insert_with(|| {
                    let room = terms.room.clone();
                    Box::pin(async move { room.needed().await })
                });
                if needed.as_mut().poll(cx).is_ready() {
                    room = None;
                    is_asked = true;
                    end = Some(End::Idle);
                }
            } else {
                room = None;
            }
            match end {
                Some(End::Idle) if !activity.is_idle() => return Poll::Pending,
                // Told to hyper where it next waits for bytes, which it does at once if it is idle.
                Some(end) => activity.end(end),
                None => return Poll::Pending,
            }
        }
    })
    .await
}

async fn serve_h2<S, B>(socket: Socket, service: S, terms: Terms<'_>) -> hyper::Result<()>
where
    S: HttpService<B>,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut builder = conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(terms.limits.h2_streams)
        .max_header_list_size(MAX_H2_HEADER)
        .max_pending_accept_reset_streams(MAX_H2_RESETS)
        .initial_stream_window_size(H2_WINDOWS.0)
        .initial_connection_window_size(H2_WINDOWS.1)
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING);
    let activity = Activity::default();
    let frames = ControlFrames::new(socket, terms.refusals.clone(), terms.client);
    let service = terms.watched(service, &activity);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(frames), service));
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = drained(&terms.drain, &activity) => {}
        // hyper has no such timer: neither for a preface that never comes, nor between two
        // requests.
        () = activity.idle(terms.limits) => {}
        () = needed(&activity, &terms.room) => {}
    }
    // GOAWAY, and the end when the streams that are open have ended.
    connection.as_mut().graceful_shutdown();
    if !activity.any() {
        // Perhaps without a preface, and then hyper would keep waiting for one.
        match timeout(H2_GOODBYE, connection.as_mut()).await {
            Ok(ended) => return ended,
            Err(_) if !activity.any() => return Ok(()),
            Err(_) => {}
        }
    }
    connection.await
}

/// Ends when the process stops; for a connection that has sent nothing, [`FIRST_BYTE`] later or
/// with its first byte.
async fn drained(drain: &CancellationToken, activity: &Activity) {
    drain.cancelled().await;
    let mut late = pin!(sleep(FIRST_BYTE));
    // Polled by the task of the connection, which is woken by bytes too.
    poll_fn(|cx| {
        if activity.has_begun() {
            return Poll::Ready(());
        }
        late.as_mut().poll(cx)
    })
    .await;
}

/// Ends when the place of this connection is needed while it is idle.
async fn needed(activity: &Activity, room: &Room) {
    loop {
        room.needed().await;
        if !activity.is_busy() {
            return;
        }
        // Another one may be idle.
        room.ask();
        sleep(BUSY).await;
    }
}

#[cfg(test)]
mod framing_tests;
#[cfg(test)]
mod tests;
