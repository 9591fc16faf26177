//! A persistent connection: many requests over one, concurrently over HTTP/2.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    deployment::SOON,
    http::{Client, Reply, spawn},
};

/// An open connection; it ends when dropped.
pub struct Kept {
    sender: Sender,
    host: String,
    _connection: AbortOnDropHandle<()>,
}

/// An answer whose body is still arriving, over a connection of its own; dropping it ends the
/// connection.
pub struct StreamingReply {
    /// Its status.
    pub status: StatusCode,
    /// Its header.
    pub headers: HeaderMap,
    body: Incoming,
    _connection: Kept,
}

impl StreamingReply {
    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            let frame = tokio::time::timeout(SOON, self.body.frame()).await;
            let frame = frame.expect("a piece in time")?.unwrap();
            let piece = frame.into_data().unwrap();
            // HTTP/2 may end with an empty one.
            if !piece.is_empty() {
                return Some(piece);
            }
        }
    }
}

type Answer = BoxFuture<'static, hyper::Result<Response<Incoming>>>;

enum Sender {
    H1(http1::SendRequest<Full<Bytes>>),
    H2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    /// Connects, to send several requests over one connection.
    pub async fn keep(&self) -> Kept {
        let (io, h2) = self.connect().await;
        let io = TokioIo::new(io);
        let (sender, connection) = if h2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            (Sender::H2(sender), spawn(connection))
        } else {
            let (sender, connection) = http1::handshake(io).await.unwrap();
            (Sender::H1(sender), spawn(connection))
        };
        Kept {
            sender,
            host: format!("localhost:{}", self.addr().port()),
            _connection: connection,
        }
    }
}

impl Kept {
    /// Sends a request and waits for the answer; `Host` is `localhost:PORT` if it has none.
    pub async fn send(&mut self, request: Request<impl Into<Bytes>>) -> Reply {
        let answer = async { self.begin(request).await.await };
        tokio::time::timeout(SOON, answer)
            .await
            .expect("an answer in time")
    }

    /// Sends a request, and gives its answer as soon as its header is there.
    pub async fn open(mut self, request: Request<impl Into<Bytes>>) -> StreamingReply {
        let answer = async { self.sent(request).await.await.unwrap() };
        let answer = tokio::time::timeout(SOON, answer).await;
        let (parts, body) = answer.expect("an answer in time").into_parts();
        StreamingReply {
            status: parts.status,
            headers: parts.headers,
            body,
            _connection: self,
        }
    }

    /// Sends a request. Dropping the answer hangs up; over HTTP/1.1 that ends the connection.
    pub async fn begin(&mut self, request: Request<impl Into<Bytes>>) -> BoxFuture<'static, Reply> {
        Box::pin(collect(self.sent(request).await))
    }

    async fn sent(&mut self, request: Request<impl Into<Bytes>>) -> Answer {
        let mut request = request.map(|body| Full::new(body.into()));
        match &mut self.sender {
            Sender::H1(sender) => {
                let host = self.host.parse().unwrap();
                request.headers_mut().entry("host").or_insert(host);
                sender.ready().await.unwrap();
                Box::pin(sender.send_request(request))
            }
            Sender::H2(sender) => {
                let target = format!("https://{}{}", self.host, request.uri());
                *request.uri_mut() = target.parse().unwrap();
                sender.ready().await.unwrap();
                Box::pin(sender.send_request(request))
            }
        }
    }
}

async fn collect(answer: impl Future<Output = hyper::Result<Response<Incoming>>>) -> Reply {
    let (parts, body) = answer.await.unwrap().into_parts();
    Reply {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}
