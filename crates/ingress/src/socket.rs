//! One type for a plain and a TLS socket, so that hyper is compiled for one and an upgraded one can
//! be found again.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};
use tokio_rustls::server::TlsStream;

/// How long a client may leave what is sent to it unread before its connection is given up.
const STALL: Duration = Duration::from_secs(30);

/// A client's socket. A write that makes no way for 30 s is an error: a client that stops reading
/// would otherwise keep what waits for it, and a shutdown, as long as it likes.
#[derive(Debug)]
pub struct Socket {
    io: Io,
    /// Only there while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    /// Boxed, as it is ten times as large.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    pub(crate) fn plain(tcp: TcpStream) -> Self {
        Self {
            io: Io::Plain(tcp),
            stalled: None,
        }
    }

    pub(crate) fn tls(tls: TlsStream<TcpStream>) -> Self {
        Self {
            io: Io::Tls(Box::new(tls)),
            stalled: None,
        }
    }

    /// Whether the client chose HTTP/2 in its TLS handshake.
    pub(crate) fn chose_h2(&self) -> bool {
        match &self.io {
            Io::Plain(_) => false,
            Io::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    /// The connection below TLS.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match &self.io {
            Io::Plain(tcp) => tcp,
            Io::Tls(tls) => tls.get_ref().0,
        }
    }

    fn io(&mut self) -> Pin<&mut dyn Duplex> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp),
            Io::Tls(tls) => Pin::new(&mut **tls),
        }
    }

    /// What a write came to, unless it has waited too long.
    fn unless_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Both kinds of socket.
trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.io().poll_write(cx, bytes);
        self.unless_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.io().poll_write_vectored(cx, slices);
        self.unless_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(tcp) => tcp.is_write_vectored(),
            Io::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.io().poll_flush(cx);
        self.unless_stalled(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = self.io().poll_shutdown(cx);
        self.unless_stalled(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt, net::TcpListener, time::Instant};

    use super::*;

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let _reads_nothing = client.unwrap();
        let mut socket = Socket::plain(accepted.unwrap().0);
        tokio::time::pause();
        let began = Instant::now();
        let error = socket
            .write_all(&vec![0; 64 * 1024 * 1024])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= STALL);
    }
}
