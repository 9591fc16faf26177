//! One WebSocket session, from its 101 to its end.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Detached, Duplex,
    relay::{Outcome, relay},
};
use crate::{
    CloseSignal, Exchange, Live, Metrics,
    report::trace::{Attribute, Life, node},
    request::permits::Permit,
    sessions::live::{About, End, LiveSession},
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

/// What is known of a session; its permit of `limits.sockets` is given back when this is dropped.
pub(super) struct Session {
    life: Option<Box<Life>>,
    about: About,
    live: Live,
    metrics: Metrics,
    permit: Permit,
}

impl Session {
    pub(super) fn new(
        exchange: &Exchange,
        about: About,
        (live, metrics): (Live, Metrics),
        permit: Permit,
    ) -> Self {
        Self {
            life: Life::of(exchange),
            about,
            live,
            metrics,
            permit,
        }
    }

    pub(super) async fn run<N: Duplex>(
        self,
        client: Detached,
        node: N,
        read: bytes::Bytes,
        drain: &CloseSignal,
    ) {
        let Self {
            life,
            about,
            live,
            metrics,
            permit,
        } = self;
        metrics.socket_opened();
        let began = Instant::now();
        // Of its own, so that an operator can end it alone.
        let close = CancellationToken::new();
        let socket = live.socket(about, close.clone());
        let asked = async {
            tokio::select! {
                () = close.cancelled() => {}
                () = drain.turn() => {}
            }
        };
        let outcome = relay(client, node, read, asked, socket.session().traffic()).await;
        let took = began.elapsed();
        // Before the count: a client that sees on the gauge that there is room connects at once.
        drop(permit);
        metrics.socket_ended(outcome.ended, took, outcome.from_client, outcome.from_node);
        let end = End::of_socket(outcome.ended, drain.is_closing());
        end.tell(socket.session(), outcome.close_code);
        if let Some(life) = life {
            life.tell(outcome.ended, took, attributes(socket.session(), outcome));
        }
    }
}

/// What a trace is told of a session.
fn attributes(session: &LiveSession, outcome: Outcome) -> Vec<Attribute> {
    let mut all: Vec<Attribute> = node(session.node()).into();
    all.push(("whipstitch.ended_by", outcome.ended.label().into()));
    all.push(("whipstitch.from_client", outcome.from_client.into()));
    all.push(("whipstitch.from_node", outcome.from_node.into()));
    let stream = session.stream();
    all.extend(stream.map(|key| ("whipstitch.stream", key.to_string().into())));
    all
}
