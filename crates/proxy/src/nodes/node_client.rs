//! [`NodeClient`]: everything that is sent to a node goes through it, in HTTP over pooled
//! connections, or as a WebSocket handshake over a connection of its own.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::HOST,
    uri::{Parts, Scheme},
};
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http1, rt};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;
use tracing::debug;
use whipstitch_origin::{Cause, Directory, Origin};

use crate::{
    nodes::{
        client::{self, Failed, Nodes, Sent},
        failover::{Carrier, NodeAnswer},
    },
    request::{
        budget::Budget,
        phases::{Phase, Phases},
    },
    words::{
        body,
        config::{Bearer, Timeouts},
    },
};

/// The client of the nodes. Cheap to clone: all clones share one pool.
#[derive(Clone)]
pub(crate) struct NodeClient {
    pub(crate) client: Nodes,
    directory: Arc<dyn Directory>,
    connect: Duration,
    bearer: Bearer,
}

impl NodeClient {
    /// One that reports to `directory` how long each connection took.
    pub(crate) fn new(timeouts: &Timeouts, directory: Arc<dyn Directory>) -> Self {
        Self {
            client: client::client(timeouts.connect, directory.clone()),
            directory,
            connect: timeouts.connect,
            bearer: Bearer::default(),
        }
    }

    /// Passes clients' tokens to the nodes in this form.
    pub(crate) fn with_bearer(mut self, bearer: Bearer) -> Self {
        self.bearer = bearer;
        self
    }

    /// The request as this node gets it, and its whole URL.
    ///
    /// # Errors
    /// [`Failed::Defect`]: there is none, which the layers above have ruled out.
    pub(crate) fn addressed(
        &self,
        origin: &Origin,
        mut request: Request<Bytes>,
    ) -> Result<(Request<Bytes>, Uri), Failed> {
        let applied = self.bearer.apply(&mut request);
        applied.map_err(|_| Failed::Defect)?;
        let uri = node_uri(origin, request.uri()).ok_or(Failed::Defect)?;
        Ok((request, uri))
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
        // Keepalive does not run while sent data is not acknowledged.
        let _ = socket_ref.set_tcp_user_timeout(Some(Duration::from_secs(30)));
        Ok(socket)
    }
}

impl Carrier for NodeClient {
    type Guard = ();

    async fn carry(
        &self,
        origin: &Origin,
        request: Request<Bytes>,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<NodeAnswer<()>, Failed> {
        let (request, uri) = self.addressed(origin, request)?;
        let mut sent = Sent::new(&self.client, request, uri);
        let answer = sent.answered(budget, phases).await;
        answer.map(|response| NodeAnswer {
            origin: origin.clone(),
            response: response.map(body::incoming),
            guard: (),
        })
    }
}

/// The nodes, for a WebSocket handshake. An answer of 101 holds the socket: [`hyper::upgrade::on`]
/// takes it out as [`TokioIo`] of a [`TcpStream`].
pub(crate) struct Handshaking<'a> {
    pub(crate) nodes: &'a NodeClient,
    /// Drives each connection until its 101, or until the body of another answer has been read.
    pub(crate) tasks: &'a TaskTracker,
}

impl Carrier for Handshaking<'_> {
    type Guard = ();

    async fn carry(
        &self,
        origin: &Origin,
        mut request: Request<Bytes>,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<NodeAnswer<()>, Failed> {
        let bearer = self.nodes.bearer.apply(&mut request);
        let host = HeaderValue::from_str(origin.authority().as_str());
        let (Ok(()), Ok(host)) = (bearer, host) else {
            return Err(Failed::Defect);
        };
        request.headers_mut().insert(HOST, host);
        let began = Instant::now();
        let connect = self.nodes.connect;
        let dialled = budget.pay(timeout(connect, self.nodes.dial(origin))).await;
        phases.connect(Phase::since(began));
        let socket = match dialled {
            Some(Ok(Ok(socket))) => socket,
            Some(Ok(Err(error))) => {
                let cause = Cause::of(&error, began.elapsed());
                return Err(Failed::NotConnected(cause));
            }
            Some(Err(_)) => return Err(Failed::NotConnected(Cause::Timeout(connect))),
            None => return Err(Failed::OutOfTime(Cause::Timeout(began.elapsed()))),
        };
        let began = Instant::now();
        let asked = handshake(TokioIo::new(socket), request, self.tasks);
        match budget.pay(asked).await {
            Some(Ok(response)) => {
                phases.first_byte(Phase::since(began));
                Ok(NodeAnswer {
                    origin: origin.clone(),
                    response: response.map(body::incoming),
                    guard: (),
                })
            }
            Some(Err(error)) => Err(Failed::Broken(Cause::of(&error, began.elapsed()))),
            None => Err(Failed::Timeout(Cause::Timeout(began.elapsed()))),
        }
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

fn node_uri(origin: &Origin, target: &Uri) -> Option<Uri> {
    let mut parts = Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(origin.authority().clone());
    parts.path_and_query = target.path_and_query().cloned();
    Uri::from_parts(parts).ok()
}
