//! One WebSocket session, from its 101 to its end.

use std::net::{IpAddr, SocketAddr};

use tokio::{net::TcpStream, sync::OwnedSemaphorePermit, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::info;
use whipstitch_signaling::StreamKey;

use super::{Detached, relay::relay};
use crate::{Exchange, Metrics};

/// Who ended a session; a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client sent the first Close.
    Client,
    /// The node sent the first Close.
    Node,
    /// The client's connection ended without one.
    ClientLost,
    /// The node's connection ended without one.
    NodeLost,
    /// This proxy, because it shuts down.
    Proxy,
}

impl Ended {
    /// Every way to end.
    pub const ALL: [Self; 5] = [
        Self::Client,
        Self::Node,
        Self::ClientLost,
        Self::NodeLost,
        Self::Proxy,
    ];

    /// Its value in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Node => "node",
            Self::ClientLost => "client_lost",
            Self::NodeLost => "node_lost",
            Self::Proxy => "proxy",
        }
    }
}

/// What is known of a session; its place among `limits.sockets` is free again when this is gone.
pub(super) struct Session {
    id: Box<str>,
    client: Option<IpAddr>,
    node: SocketAddr,
    scope: Box<str>,
    stream: Option<StreamKey>,
    metrics: Metrics,
    _place: OwnedSemaphorePermit,
}

impl Session {
    pub(super) fn new(
        exchange: &Exchange,
        node: SocketAddr,
        scope: String,
        metrics: Metrics,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let record = exchange.record();
        Self {
            id: exchange.id().into(),
            client: exchange.client(),
            node,
            scope: scope.into(),
            stream: record.stream.get().cloned(),
            metrics,
            _place: place,
        }
    }

    pub(super) async fn run(
        self,
        client: Detached,
        node: TcpStream,
        read: bytes::Bytes,
        close: CancellationToken,
    ) {
        self.metrics.socket_opened();
        let began = Instant::now();
        let outcome = relay(client, node, read, &close).await;
        let took = began.elapsed();
        self.metrics
            .socket_ended(outcome.ended, took, outcome.from_client, outcome.from_node);
        info!(
            target: "access",
            id = &*self.id,
            client = self.client.map(tracing::field::display),
            about = "socket",
            scope = &*self.scope,
            stream = self.stream.as_ref().map(tracing::field::display),
            node = %self.node,
            ended_by = outcome.ended.label(),
            from_client = outcome.from_client,
            from_node = outcome.from_node,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "socket"
        );
    }
}
