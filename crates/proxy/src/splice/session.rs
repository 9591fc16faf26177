//! One WebSocket session, from its 101 to its end.

use std::time::Duration;

use tokio::{net::TcpStream, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    Detached,
    relay::{Outcome, relay},
};
use crate::{
    Exchange, Live, Metrics,
    live::{About, LiveSession},
    places::Place,
};

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
    about: About,
    live: Live,
    metrics: Metrics,
    place: Place,
}

impl Session {
    pub(super) fn new(
        exchange: &Exchange,
        about: About,
        (live, metrics): (Live, Metrics),
        place: Place,
    ) -> Self {
        Self {
            id: exchange.id().into(),
            about,
            live,
            metrics,
            place,
        }
    }

    pub(super) async fn run(
        self,
        client: Detached,
        node: TcpStream,
        read: bytes::Bytes,
        close: CancellationToken,
    ) {
        let Self {
            id,
            about,
            live,
            metrics,
            place,
        } = self;
        metrics.socket_opened();
        let began = Instant::now();
        let socket = live.socket(about, close.clone());
        let outcome = relay(client, node, read, &close, socket.session().traffic()).await;
        let took = began.elapsed();
        // Before the count: whoever reads there that there is room comes at once.
        drop(place);
        metrics.socket_ended(outcome.ended, took, outcome.from_client, outcome.from_node);
        tell(&id, socket.session(), outcome, took);
    }
}

/// The line of a session in the log.
fn tell(id: &str, session: &LiveSession, outcome: Outcome, took: Duration) {
    info!(
        target: "access",
        id,
        client = session.client().map(tracing::field::display),
        about = "socket",
        scope = session.scope(),
        stream = session.stream().map(tracing::field::display),
        node = %session.node(),
        ended_by = outcome.ended.label(),
        from_client = outcome.from_client,
        from_node = outcome.from_node,
        took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "socket"
    );
}
