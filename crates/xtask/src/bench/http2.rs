//! HTTP/2 as a client: a connection with several streams at once.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{Connection, SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::tls::Dialer;
use super::wire;

type Driver = Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>, TokioExecutor>;

/// The sending half of a connection; clones share it.
#[derive(Clone)]
pub(super) struct Streams(SendRequest<Full<Bytes>>);

/// Connects; the second half must be polled for the first to get anywhere.
pub(super) async fn open(dialer: &Dialer, target: SocketAddr) -> io::Result<(Streams, Driver)> {
    let stream = TokioIo::new(dialer.http2(target).await?);
    let (sender, driver) = handshake(TokioExecutor::new(), stream)
        .await
        .map_err(io::Error::other)?;
    Ok((Streams(sender), driver))
}

impl Streams {
    /// Sends a request and reads the whole answer.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> io::Result<Response<Bytes>> {
        let answer = async {
            self.0.ready().await?;
            let (head, body) = self.0.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Response::from_parts(head, body))
        };
        answer.await.map_err(io::Error::other)
    }

    /// [`Self::exchange`] that wants one status and one length of body.
    pub(super) async fn expect(
        &mut self,
        request: Request<Full<Bytes>>,
        status: StatusCode,
        length: usize,
    ) -> io::Result<()> {
        let answer = self.exchange(request).await?;
        if (answer.status(), answer.body().len()) == (status, length) {
            return Ok(());
        }
        let (found, length) = (answer.status(), answer.body().len());
        Err(io::Error::other(format!("{found} with {length} bytes")))
    }
}

/// The GET of [`wire::get`].
pub(super) fn get() -> http::Result<Request<Full<Bytes>>> {
    Request::get(url(wire::PAGE)).body(Full::default())
}

/// The POST of [`wire::post`].
pub(super) fn post(index: usize) -> http::Result<Request<Full<Bytes>>> {
    Request::post(url(&wire::endpoint(index)))
        .header("content-type", "application/sdp")
        .body(Full::from(wire::OFFER.as_str()))
}

fn url(path: &str) -> String {
    format!("https://{}{path}", wire::NAME)
}
