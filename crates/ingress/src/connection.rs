//! One client connection: TLS, the version of HTTP, its limits, and its end.

use std::{convert::Infallible, error::Error, net::SocketAddr, pin::pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::debug;

use crate::{
    Metrics, Socket,
    activity::{Activity, Watched},
    config::Connections,
    metrics::Handshake,
};

/// Largest header of a request, in bytes.
const MAX_HEADER: usize = 64 * 1024;
/// Largest header of an HTTP/2 request, in bytes.
const MAX_H2_HEADER: u32 = 16 * 1024;
/// Streams that an HTTP/2 client may open and reset before it is told to go (CVE-2023-44487).
const MAX_H2_RESETS: usize = 20;
/// What an HTTP/2 client may send before it is read, a stream and a connection.
const H2_WINDOWS: (u32, u32) = (64 * 1024, 1024 * 1024);
/// How often a silent HTTP/2 client is asked whether it is there, and how long it may take to answer.
const H2_PING: Duration = Duration::from_secs(20);

/// What is known of a connection before its first request.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionInfo {
    /// The client's address.
    pub peer: SocketAddr,
    /// The handshake of TLS, if that protects it.
    pub tls: Option<TlsHandshake>,
}

/// A TLS handshake that came about.
#[derive(Clone, Copy, Debug)]
pub struct TlsHandshake {
    /// When it began: the connection had been accepted.
    pub began: Instant,
    /// How long it took, the client's share included.
    pub took: Duration,
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

/// TLS, if there is to be any, and how long that took. `None` if the client did not get through.
pub(crate) async fn secure(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    limits: &Connections,
    metrics: &Metrics,
) -> Option<(Socket, Option<TlsHandshake>)> {
    let Some(tls) = tls else {
        return Some((Socket::plain(tcp), None));
    };
    let began = Instant::now();
    let (socket, handshake) = match timeout(limits.handshake_timeout, tls.accept(tcp)).await {
        Ok(Ok(socket)) => (Some(Socket::tls(socket)), Handshake::Done),
        Ok(Err(error)) => {
            debug!(%error, "a TLS handshake failed");
            (None, Handshake::Failed)
        }
        Err(_) => (None, Handshake::Timeout),
    };
    let took = began.elapsed();
    metrics.handshake(handshake, took);
    Some((socket?, Some(TlsHandshake { began, took })))
}

/// Serves requests until the client is done, or until `drain` asks for an end and those under way are answered.
pub(crate) async fn serve<S, B>(
    socket: Socket,
    service: S,
    limits: &Connections,
    drain: CancellationToken,
) where
    S: HttpService<B>,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let ended = if socket.chose_h2() {
        serve_h2(socket, service, limits, drain).await
    } else {
        serve_h1(socket, service, limits, drain).await
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

async fn serve_h1<S, B>(
    socket: Socket,
    service: S,
    limits: &Connections,
    drain: CancellationToken,
) -> hyper::Result<()>
where
    S: HttpService<B>,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut builder = conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_HEADER)
        .half_close(false);
    let service = TowerToHyperService::new(service);
    let mut connection = pin!(
        builder
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades()
    );
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

async fn serve_h2<S, B>(
    socket: Socket,
    service: S,
    limits: &Connections,
    drain: CancellationToken,
) -> hyper::Result<()>
where
    S: HttpService<B>,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut builder = conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(MAX_H2_HEADER)
        .max_pending_accept_reset_streams(MAX_H2_RESETS)
        .initial_stream_window_size(H2_WINDOWS.0)
        .initial_connection_window_size(H2_WINDOWS.1)
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING);
    let activity = Activity::default();
    let service = TowerToHyperService::new(Watched {
        inner: service,
        activity: activity.clone(),
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = drain.cancelled() => {}
        // hyper has no such timer: neither for a preface that never comes, nor between two requests.
        () = activity.idle(limits.header_timeout) => {
            if !activity.any() {
                // Perhaps without a preface, and then hyper would go on to wait for one.
                return Ok(());
            }
        }
    }
    // GOAWAY, and the end when the streams that are open have ended.
    connection.as_mut().graceful_shutdown();
    connection.await
}
