//! WebSocket handshakes to nodes, each over a connection of its own.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http1, rt};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::debug;
use whipstitch_origin::{Cause, Origin};

use super::{
    failed::Failed,
    failover::{NodeAnswer, SendToNode},
    node_client::NodeClient,
};
use crate::{
    request::{
        budget::Budget,
        phases::{Phase, Phases},
    },
    words::body,
};

/// The nodes, for a WebSocket handshake. An answer of 101 holds the socket: [`hyper::upgrade::on`]
/// takes it out as [`hyper_util::rt::TokioIo`] of a [`tokio::net::TcpStream`].
pub(crate) struct Handshaking<'a> {
    pub(crate) nodes: &'a NodeClient,
    /// Drives each connection until its 101, or until the body of another answer has been read.
    pub(crate) tasks: &'a TaskTracker,
}

impl SendToNode for Handshaking<'_> {
    type Guard = ();

    async fn send_once(
        &self,
        origin: &Origin,
        request: Request<Bytes>,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<NodeAnswer<()>, Failed> {
        let request = self.nodes.addressed(origin, request)?;
        let socket = self.nodes.dial(origin, budget, phases).await?;
        let began = Instant::now();
        let answer = budget.pay(handshake(socket, request, self.tasks)).await;
        let answer = answer.ok_or_else(|| Failed::Timeout(Cause::Timeout(began.elapsed())))?;
        let answer = answer.map_err(|error| Failed::Broken(Cause::of(&error, began.elapsed())))?;
        phases.first_byte(Phase::since(began));
        Ok(NodeAnswer {
            origin: origin.clone(),
            response: answer.map(body::incoming),
            guard: (),
        })
    }
}

/// Sends a request over a connection of its own, which can become a WebSocket; one of `tasks`
/// drives it.
pub(crate) async fn handshake<I>(
    socket: I,
    request: Request<Bytes>,
    tasks: &TaskTracker,
) -> hyper::Result<Response<Incoming>>
where
    I: rt::Read + rt::Write + Send + Unpin + 'static,
{
    let (mut send, connection) = http1::handshake(socket).await?;
    tasks.spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            debug!(%error, "the connection broke before its 101");
        }
    });
    send.send_request(request.map(Full::new)).await
}
