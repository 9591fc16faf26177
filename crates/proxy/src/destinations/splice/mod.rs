//! Splice: a WebSocket from a client to a node, or to the Stream Manager itself.
//!
//! The node is dialled, and its 101 checked, before the client gets its own: a dead node is a
//! normal 502, and no byte of a client reaches a node that did not agree. From then on raw bytes
//! are relayed by a task of its own, outside hyper, so that extensions, masking and fragmentation
//! stay between the client and the node.

mod client_meta;
mod flow;
mod frames;
pub(crate) mod handshake;
mod liveness;
mod relay;
mod session;
mod to_manager;

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::http1,
    rt,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;
use tracing::debug;
use whipstitch_origin::{Cause, Directory, Origin};
use whipstitch_signaling::headers::strip_hop_by_hop;

use self::{handshake::Handshake, session::Session};
pub use crate::words::end_reason::Ended;
use crate::{
    Body, CloseSignal, Error, Metrics, SessionTable,
    nodes::{client::Failed, failover},
    request::{
        budget::Budget,
        message::ToSocket,
        permits::Limit,
        phases::{Phase, Phases},
    },
    sessions::view::About,
    words::{
        body,
        config::Bearer,
        error::{NodeFault, defect},
    },
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
    pub(crate) bearer: Bearer,
    pub(crate) limit: Limit,
    pub(crate) connect: Duration,
    pub(crate) sessions: TaskTracker,
    pub(crate) close: CloseSignal,
    pub(crate) table: SessionTable,
    pub(crate) metrics: Metrics,
}

impl Splice {
    pub(crate) async fn open(&self, to: ToSocket) -> Result<Response<Body>, Error> {
        let ToSocket {
            origin,
            query,
            mut budget,
            mut request,
            exchange,
        } = to;
        let handshake = Handshake::check(&request)?;
        let permit = self.limit.acquire()?;
        exchange.goes_to(origin.addr());
        let client: OnUpgrade = hyper::upgrade::on(&mut request);
        let mut asked = handshake.to(origin.authority().as_str(), &request, &query.target())?;
        self.bearer
            .apply(&mut asked)
            .map_err(defect("a WebSocket handshake with its credentials"))?;
        client_meta::tell(asked.headers_mut(), &exchange);
        let began = budget.begins();
        let answer = self
            .try_node(&origin, asked, &mut budget, exchange.phases())
            .await;
        let status = answer.as_ref().map(Response::status);
        if let Some(outcome) = failover::outcome(status, budget.was_fair(began)) {
            self.directory.report(&origin, outcome);
        }
        let answer = answer.map_err(failover::error)?;
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
        } = agreed;
        let node = hyper::upgrade::on(&mut answer);
        let response = handshake.to_client(answer.headers());
        let (detach, drain) = (self.detach, self.close.clone());
        self.sessions.spawn(async move {
            // The client's half completes when its 101 has been written; if it left before, there
            // is nothing to do.
            match (node.await, client.await) {
                (Ok(node), Ok(client)) => {
                    if let Ok(node) = node.downcast::<I>() {
                        let (client, io) = (detach(client), into(node.io));
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

    async fn try_node(
        &self,
        origin: &Origin,
        request: Request<Empty<Bytes>>,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<Response<Incoming>, Failed> {
        let began = Instant::now();
        let dialled = timeout(self.connect, self.dial(origin));
        let dialled = budget.pay(dialled).await;
        phases.connect(Phase::since(began));
        let socket = match dialled {
            Some(Ok(Ok(socket))) => socket,
            Some(Ok(Err(error))) => {
                let cause = Cause::of(&error, began.elapsed());
                return Err(Failed::NotConnected(cause));
            }
            Some(Err(_)) => return Err(Failed::NotConnected(Cause::Timeout(self.connect))),
            None => return Err(Failed::OutOfTime(Cause::Timeout(began.elapsed()))),
        };
        let began = Instant::now();
        match budget.pay(self.ask(TokioIo::new(socket), request)).await {
            Some(answer) => answer
                .inspect(|_| phases.first_byte(Phase::since(began)))
                .map_err(|error| Failed::Broken(Cause::of(&error, began.elapsed()))),
            None => Err(Failed::Timeout(Cause::Timeout(began.elapsed()))),
        }
    }

    async fn dial(&self, origin: &Origin) -> io::Result<TcpStream> {
        let began = Instant::now();
        let socket = TcpStream::connect(origin.addr())
            .await
            .inspect_err(|error| debug!(node = %origin, %error, "the node cannot be dialled"))?;
        self.directory.connected(origin.addr(), began.elapsed());
        let _ = socket.set_nodelay(true);
        // A node that lost power sends nothing, ever; this notices within a minute.
        let probes = TcpKeepalive::new()
            .with_time(Duration::from_secs(30))
            .with_interval(Duration::from_secs(10));
        let socket_ref = SockRef::from(&socket);
        let _ = socket_ref.set_tcp_keepalive(&probes.with_retries(3));
        // Keepalive does not run while something that was sent is not acknowledged.
        let _ = socket_ref.set_tcp_user_timeout(Some(Duration::from_secs(30)));
        Ok(socket)
    }

    async fn ask<I>(
        &self,
        socket: I,
        request: Request<Empty<Bytes>>,
    ) -> hyper::Result<Response<Incoming>>
    where
        I: rt::Read + rt::Write + Send + Unpin + 'static,
    {
        let (mut send, connection) = http1::handshake(socket).await?;
        self.sessions.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                debug!(%error, "the connection broke before its 101");
            }
        });
        send.send_request(request).await
    }
}

/// A handshake that both sides agree on.
struct Agreed {
    handshake: Handshake,
    /// The 101 of the node, or of the Stream Manager.
    answer: Response<Incoming>,
    client: OnUpgrade,
    session: Session,
}

/// A node that says no is heard; anything else that is not a 101 is not an answer to a handshake.
fn not_switched(answer: Response<Incoming>) -> Result<Response<Body>, Error> {
    let status = answer.status();
    if status.is_client_error() || status.is_server_error() {
        let mut answer = answer.map(body::incoming);
        strip_hop_by_hop(answer.headers_mut());
        return Ok(answer);
    }
    Err(NodeFault::Handshake("its status is not 101").into())
}
