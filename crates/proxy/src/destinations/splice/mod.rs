//! Splice: a WebSocket from a client to a node, or to the Stream Manager itself.
//!
//! The node is dialled, and its 101 checked, before the client gets its own: a dead node is a
//! normal 502, and no byte of a client reaches a node that did not agree. From then on raw bytes
//! are relayed by a task of its own, outside hyper, so that extensions, masking and fragmentation
//! stay between the client and the node.

mod client_meta;
mod dialogue;
mod flow;
mod frames;
mod goodbye;
pub(crate) mod handshake;
mod liveness;
mod relay;
mod session;
mod to_manager;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode, header::SEC_WEBSOCKET_EXTENSIONS};
use hyper::{
    rt,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_util::task::TaskTracker;
use tracing::debug;
use whipstitch_origin::Directory;
use whipstitch_signaling::headers::strip_hop_by_hop;

use self::{handshake::Handshake, session::Session};
pub use crate::words::end_reason::Ended;
use crate::{
    Body, DrainSignal, Error, Exchange, Metrics, SessionTable,
    nodes::{
        failover::{Failover, NodeAnswer},
        handshaking::Handshaking,
        node_client::NodeClient,
    },
    request::{
        message::{SocketNodes, ToSocket},
        permits::Limit,
    },
    sessions::view::About,
    words::error::NodeFault,
};

/// A connection that left hyper: both directions of raw bytes.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A client's socket, taken out of hyper, and what hyper had read of it already.
pub struct Detached {
    /// The socket.
    pub io: Box<dyn Duplex>,
    /// Bytes that came after the request.
    pub read: Bytes,
}

/// Takes the socket out of an upgraded connection; only who accepted it knows its type.
pub type Detach = fn(Upgraded) -> Detached;

/// Opens WebSockets.
pub(crate) struct Splice {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) detach: Detach,
    pub(crate) nodes: NodeClient,
    pub(crate) limit: Limit,
    /// Longest wait for a connection to the Stream Manager.
    pub(crate) connect: Duration,
    pub(crate) sessions: TaskTracker,
    pub(crate) close: DrainSignal,
    pub(crate) table: SessionTable,
    pub(crate) metrics: Metrics,
}

impl Splice {
    pub(crate) async fn open(&self, to: ToSocket) -> Result<Response<Body>, Error> {
        let ToSocket {
            nodes,
            query,
            mut budget,
            mut request,
            exchange,
        } = to;
        let handshake = Handshake::check(&request)?;
        let permit = self.limit.acquire()?;
        let client: OnUpgrade = hyper::upgrade::on(&mut request);
        let mut asked = handshake.to(&request, &query.target())?;
        if exchange.dialogue().is_some() {
            // What is compressed cannot be read.
            asked.headers_mut().remove(SEC_WEBSOCKET_EXTENSIONS);
        }
        client_meta::add(asked.headers_mut(), &exchange);
        let failover = Failover {
            nodes: &Handshaking {
                nodes: &self.nodes,
                tasks: &self.sessions,
            },
            directory: &*self.directory,
            metrics: &self.metrics,
            exchange: &exchange,
        };
        let answered = match &nodes {
            SocketNodes::Named(node) => failover.only(node, asked, &mut budget).await,
            SocketNodes::Any { lookup, candidates } => {
                let any = failover.any(lookup, candidates, asked, &mut budget);
                any.await
            }
        };
        let NodeAnswer {
            origin,
            response: answer,
            guard: (),
        } = answered?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return not_switched(answer);
        }
        let verified = handshake.verify(answer.headers());
        verified.map_err(NodeFault::Handshake)?;
        if let Some(stream) = &query.stream {
            self.directory.published(stream);
        }
        let session = Session::new(
            &exchange,
            About::new(&exchange, &origin, query.scope),
            (self.table.clone(), self.metrics.clone()),
            permit,
        );
        let agreed = Agreed {
            handshake,
            answer,
            client,
            session,
            exchange: exchange.clone(),
        };
        let (directory, published) = (self.directory.clone(), query.stream);
        let over = move || {
            if let Some(stream) = published {
                directory.ended(&stream);
            }
        };
        Ok(self.begin(agreed, TokioIo::<TcpStream>::into_inner, over))
    }

    /// Answers the client, and relays from then on in a task of its own. `into` takes the socket
    /// out of what hyper has, and `over` is called at the end.
    fn begin<I, N>(
        &self,
        agreed: Agreed,
        into: fn(I) -> N,
        over: impl FnOnce() + Send + 'static,
    ) -> Response<Body>
    where
        I: rt::Read + rt::Write + Send + Unpin + 'static,
        N: Duplex + 'static,
    {
        let Agreed {
            handshake,
            mut answer,
            client,
            session,
            exchange,
        } = agreed;
        let node = hyper::upgrade::on(&mut answer);
        let response = handshake.to_client(answer.headers());
        let (detach, drain) = (self.detach, self.close.clone());
        let metrics = self.metrics.clone();
        self.sessions.spawn(async move {
            // The client's half completes when its 101 has been written; if it left before, there
            // is nothing to do.
            match (node.await, client.await) {
                (Ok(node), Ok(client)) => {
                    if let Ok(node) = node.downcast::<I>() {
                        let client = dialogue::restrict(detach(client), &exchange, &metrics);
                        let io = into(node.io);
                        session.run(client, io, node.read_buf, &drain).await;
                    }
                }
                (node, client) => debug!(
                    node = node.err().map(tracing::field::display),
                    client = client.err().map(tracing::field::display),
                    "WebSocket not relayed: a side was gone before both had switched"
                ),
            }
            over();
        });
        response
    }
}

/// A handshake that both sides agree on.
struct Agreed {
    handshake: Handshake,
    /// The 101 of the node, or of the Stream Manager.
    answer: Response<Body>,
    client: OnUpgrade,
    session: Session,
    exchange: Exchange,
}

/// The client gets a refusal of the node; anything else that is not a 101 is not an answer to a
/// handshake.
fn not_switched(mut answer: Response<Body>) -> Result<Response<Body>, Error> {
    let status = answer.status();
    if status.is_client_error() || status.is_server_error() {
        strip_hop_by_hop(answer.headers_mut());
        return Ok(answer);
    }
    Err(NodeFault::Handshake("its status is not 101").into())
}
