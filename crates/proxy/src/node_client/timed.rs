//! How long connections to nodes take, told to whoever knows the nodes.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::Uri;
use tokio::time::Instant;
use tower::Service;
use whipstitch_origin::Directory;

/// A connector that tells of each connection that came about.
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
    type Response = C::Response;
    type Error = C::Error;
    type Future = BoxFuture<'static, Result<C::Response, C::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // The URIs of nodes hold addresses, never names.
        let node = uri.authority().and_then(|node| node.as_str().parse().ok());
        let directory = self.directory.clone();
        let (began, connecting) = (Instant::now(), self.connector.call(uri));
        Box::pin(async move {
            let connected = connecting.await;
            if let (Ok(_), Some(node)) = (&connected, node) {
                let node: SocketAddr = node;
                directory.connected(node.ip(), node, began.elapsed());
            }
            connected
        })
    }
}
