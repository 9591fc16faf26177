//! WebSocket clients: a raw one for bytes, and tungstenite's for dialogues.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::{client::conn::http2, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, protocol::Role},
};

use tokio_util::task::AbortOnDropHandle;

use crate::{
    deployment::SOON,
    http::{Client, Io, spawn},
    raw_node::read_head,
};

/// The key of RFC 6455 §1.3 and the accept that belongs to it.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// See [`KEY`].
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Sends a raw handshake; returns the header of the answer, and the socket.
pub async fn raw(client: &Client, target: &str, more: &str) -> (String, Box<dyn Io>) {
    let (mut io, h2) = client.connect().await;
    assert!(!h2);
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    );
    io.write_all(request.as_bytes()).await.unwrap();
    let head = tokio::time::timeout(SOON, read_head(&mut io))
        .await
        .expect("an answer in time");
    (head, io)
}

/// Opens a WebSocket in one stream of an HTTP/2 connection (RFC 8441); the answer, and the stream
/// if there is one.
pub async fn over_h2(client: &Client, target: &str) -> (Response<()>, Option<Box<dyn Io>>) {
    let (io, h2) = client.connect().await;
    assert!(h2);
    let (mut send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io))
        .await
        .unwrap();
    let connection = spawn(connection);
    let request = Request::connect(format!("https://localhost{target}"))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let mut response = send.send_request(request).await.unwrap();
    let upgraded = match response.status() {
        StatusCode::OK => Some(hyper::upgrade::on(&mut response).await.unwrap()),
        _ => None,
    };
    let stream = upgraded.map(|upgraded| {
        Box::new(Held {
            stream: TokioIo::new(upgraded),
            _connection: connection,
        }) as Box<dyn Io>
    });
    (response.map(|_| ()), stream)
}

/// A stream that holds its connection open.
struct Held {
    stream: TokioIo<Upgraded>,
    _connection: AbortOnDropHandle<()>,
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A dialogue in JSON text frames, as Red5's SDK speaks it.
pub struct Dialogue(WebSocketStream<Box<dyn Io>>);

impl Dialogue {
    /// Waits until the other side has ended it, and nothing but a Close has come before.
    pub async fn ended(&mut self) {
        let next = tokio::time::timeout(SOON, futures_util::StreamExt::next(&mut self.0));
        let next = next.await.expect("an end in time");
        assert!(
            matches!(next, None | Some(Err(_) | Ok(Message::Close(_)))),
            "{next:?}"
        );
    }

    /// Opens it.
    ///
    /// # Errors
    /// The answer is not a 101 that fits.
    pub async fn open(client: &Client, target: &str) -> Result<Self, tungstenite::Error> {
        let (io, _) = client.connect().await;
        let opened = client_async(format!("ws://localhost{target}"), io);
        let (socket, _) = tokio::time::timeout(SOON, opened)
            .await
            .expect("a handshake in time")?;
        Ok(Self(socket))
    }

    /// Wraps a socket after its handshake.
    pub async fn over(io: Box<dyn Io>) -> Self {
        Self(WebSocketStream::from_raw_socket(io, Role::Client, None).await)
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: Value) {
        futures_util::SinkExt::send(&mut self.0, Message::text(frame.to_string()))
            .await
            .unwrap();
    }

    /// The next text frame; pings are answered on the way.
    pub async fn receive(&mut self) -> Value {
        loop {
            match self.next().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a frame of the dialogue: {other:?}"),
            }
        }
    }

    /// The next text frame for which `wanted` holds.
    pub async fn receive_until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.receive().await;
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// The next message of any kind.
    pub async fn next(&mut self) -> Message {
        let next = futures_util::StreamExt::next(&mut self.0);
        tokio::time::timeout(SOON, next)
            .await
            .expect("a frame in time")
            .expect("an open socket")
            .unwrap()
    }

    /// Closes as a page does: without a code, and without waiting.
    pub async fn close(mut self) {
        let _ = self.0.close(None).await;
    }
}
