//! One WebSocket session, from its 101 to its end.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use whipstitch_origin::provoked::{self, Place};

use super::{
    Detached, Duplex,
    goodbye::Goodbye,
    relay::{Outcome, relay},
};
use crate::{
    DrainSignal, Exchange, Metrics, SessionTable,
    report::spans::{Life, node},
    request::permits::Permit,
    request::trace::Attribute,
    sessions::{SessionView, end_log, view::About},
    words::end_reason::EndReason,
};

/// What is known of a session; its permit of `limits.sockets` is given back when this is dropped.
pub(super) struct Session {
    life: Option<Box<Life>>,
    about: About,
    table: SessionTable,
    metrics: Metrics,
    permit: Permit,
}

impl Session {
    pub(super) fn new(
        exchange: &Exchange,
        about: About,
        (table, metrics): (SessionTable, Metrics),
        permit: Permit,
    ) -> Self {
        Self {
            life: Life::of(exchange),
            about,
            table,
            metrics,
            permit,
        }
    }

    pub(super) async fn run<N: Duplex>(
        self,
        client: Detached,
        node: N,
        read: bytes::Bytes,
        drain: &DrainSignal,
    ) {
        let Self {
            life,
            about,
            table,
            metrics,
            permit,
        } = self;
        let open = metrics.socket_opened();
        provoked::at(Place::Splice);
        let began = Instant::now();
        // Of its own, so that an operator can end it alone.
        let close = CancellationToken::new();
        let socket = table.open_socket(about, close.clone());
        let stop = async {
            tokio::select! {
                () = close.cancelled() => Goodbye::Ended,
                () = drain.turn() => Goodbye::Draining,
            }
        };
        let outcome = relay(client, node, read, stop, socket.session().traffic()).await;
        let took = began.elapsed();
        // Before the gauge: a client that sees room on it connects immediately.
        drop((permit, open));
        metrics.socket_ended(outcome.ended, took, outcome.from_client, outcome.from_node);
        let why = EndReason::of_socket(outcome.ended, drain.is_closing());
        end_log::log(socket.session(), why, outcome.close_code);
        if let Some(life) = life {
            life.tell(outcome.ended, took, attributes(socket.session(), outcome));
        }
    }
}

/// The attributes of a session in its trace.
fn attributes(session: &SessionView, outcome: Outcome) -> Vec<Attribute> {
    let mut all: Vec<Attribute> = node(session.node()).into();
    all.push(("whipstitch.ended_by", outcome.ended.label().into()));
    all.push(("whipstitch.from_client", outcome.from_client.into()));
    all.push(("whipstitch.from_node", outcome.from_node.into()));
    let stream = session.stream();
    all.extend(stream.map(|key| ("whipstitch.stream", key.to_string().into())));
    all
}
