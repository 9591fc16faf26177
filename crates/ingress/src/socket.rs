//! One type for a plain and a TLS socket, so that hyper is compiled for one and an upgraded one can be found again.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// A client's socket.
#[derive(Debug)]
pub enum Socket {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP; boxed, as it is ten times as large.
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! either {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self.get_mut() {
            Socket::Plain($socket) => {
                let $socket = Pin::new($socket);
                $call
            }
            Socket::Tls($socket) => {
                let $socket = Pin::new($socket);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, socket => socket.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, socket => socket.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_shutdown(cx))
    }
}

/// An upgraded connection, out of hyper.
#[derive(Debug)]
pub enum Detached {
    /// A whole connection (HTTP/1.1): the socket itself, and what hyper had read of it already.
    Socket(Socket, Bytes),
    /// One stream of a connection that others share (HTTP/2, RFC 8441).
    Stream(TokioIo<Upgraded>),
}

/// Takes the socket out of an upgraded connection that a [`crate::Server`] accepted.
pub fn detach(upgraded: Upgraded) -> Detached {
    match upgraded.downcast::<TokioIo<Socket>>() {
        Ok(parts) => Detached::Socket(parts.io.into_inner(), parts.read_buf),
        Err(upgraded) => Detached::Stream(TokioIo::new(upgraded)),
    }
}
