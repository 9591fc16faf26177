//! Measures how long connections to nodes take, for the directory and for the request that waited.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::Service;
use whipstitch_origin::Directory;

/// A connector that reports each new connection.
#[derive(Clone)]
pub(crate) struct Timed<C> {
    connector: C,
    directory: Arc<dyn Directory>,
}

impl<C> Timed<C> {
    pub(crate) fn new(connector: C, directory: Arc<dyn Directory>) -> Self {
        Self {
            connector,
            directory,
        }
    }
}

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri, Future: Send + 'static>,
{
    type Response = TimedIo<C::Response>;
    type Error = C::Error;
    type Future = BoxFuture<'static, Result<Self::Response, C::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // The URIs of nodes hold addresses, never names.
        let node = uri.authority().and_then(|node| node.as_str().parse().ok());
        let directory = self.directory.clone();
        let (began, connecting) = (Instant::now(), self.connector.call(uri));
        Box::pin(async move {
            let io = connecting.await?;
            let made = Made {
                began,
                ready: Instant::now(),
            };
            if let Some(node) = node {
                let node: SocketAddr = node;
                directory.connected(node, made.ready - began);
            }
            Ok(TimedIo { io, made })
        })
    }
}

/// When a connection was made. Every answer over it has this among its extensions: whether that was
/// for this very request, or long before, only the times tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// When it began.
    pub(super) began: Instant,
    /// When it was there.
    pub(super) ready: Instant,
}

pin_project! {
    /// A connection that knows when it was made.
    pub(crate) struct TimedIo<T> {
        #[pin]
        io: T,
        made: Made,
    }
}

impl<T> Connection for TimedIo<T> {
    fn connected(&self) -> Connected {
        // In place of the connector's own extra, the two addresses, which are not used.
        Connected::new().extra(self.made)
    }
}

impl<T: Read> Read for TimedIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buffer)
    }
}

impl<T: Write> Write for TimedIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }
}
