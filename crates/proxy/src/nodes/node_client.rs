//! [`NodeClient`]: everything that is sent to a node goes through it, in HTTP over pooled
//! connections, or as a WebSocket handshake over a connection of its own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Version, header::HOST};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tracing::debug;
use whipstitch_origin::{Cause, Directory, Origin};

use super::{
    failed::Failed,
    pool::{Answer, Connection, Pool},
};
use crate::{
    request::{
        budget::Budget,
        phases::{Phase, Phases},
    },
    words::config::{Bearer, Timeouts},
};

/// The client of the nodes. Redirects are not followed, and a request whose first byte was sent is
/// never sent again. Cheap to clone: all clones share one pool.
#[derive(Clone)]
pub(crate) struct NodeClient {
    pub(super) pool: Pool,
    directory: Arc<dyn Directory>,
    timeout: Duration,
    bearer: Bearer,
}

impl NodeClient {
    /// One that reports to `directory` how long each connection took.
    pub(crate) fn new(timeouts: &Timeouts, directory: Arc<dyn Directory>) -> Self {
        Self {
            pool: Pool::default(),
            directory,
            timeout: timeouts.connect,
            bearer: Bearer::default(),
        }
    }

    /// Passes clients' tokens to the nodes in this form.
    pub(crate) fn with_bearer(mut self, bearer: Bearer) -> Self {
        self.bearer = bearer;
        self
    }

    /// The request as this node gets it, whichever version it came in.
    ///
    /// # Errors
    /// [`Failed::Defect`]: it cannot be written, which the layers above have ruled out.
    pub(super) fn addressed(
        &self,
        origin: &Origin,
        mut request: Request<Bytes>,
    ) -> Result<Request<Bytes>, Failed> {
        let bearer = self.bearer.apply(&mut request);
        let host = HeaderValue::from_str(origin.authority().as_str());
        let (Ok(()), Ok(host)) = (bearer, host) else {
            return Err(Failed::Defect);
        };
        request.headers_mut().insert(HOST, host);
        *request.version_mut() = Version::HTTP_11;
        Ok(request)
    }

    /// A new connection to this node, for requests one after the other.
    #[expect(
        clippy::disallowed_methods,
        reason = "its task ends with what uses it; a shutdown does not wait for idle connections"
    )]
    pub(super) async fn connect(
        &self,
        origin: &Origin,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<Connection, Failed> {
        let (socket, began) = (self.dial(origin, budget, phases).await?, Instant::now());
        let connected = http1::handshake(socket).await;
        let (send, connection) =
            connected.map_err(|error| Failed::Broken(Cause::of(&error, began.elapsed())))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection to a node broke");
            }
        });
        Ok(send)
    }

    /// Sends a request over this connection, which goes back to the pool with the answer.
    pub(super) fn send(
        &self,
        origin: &Origin,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
    ) -> Answer {
        let (pool, node) = (self.pool.clone(), origin.addr());
        Box::pin(async move {
            let answer = connection.try_send_request(request).await?;
            pool.put(node, connection);
            Ok(answer)
        })
    }

    /// A socket to this node.
    pub(super) async fn dial(
        &self,
        origin: &Origin,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<TokioIo<TcpStream>, Failed> {
        let began = Instant::now();
        let connecting = timeout(self.timeout, TcpStream::connect(origin.addr()));
        let connected = budget.pay(connecting).await;
        phases.connect(Phase::since(began));
        let waited = began.elapsed();
        match connected {
            Some(Ok(Ok(socket))) => {
                self.directory.connected(origin.addr(), waited);
                watch_over(&socket);
                Ok(TokioIo::new(socket))
            }
            Some(Ok(Err(error))) => {
                debug!(node = %origin, %error, "the node cannot be dialled");
                Err(Failed::NotConnected(Cause::of(&error, waited)))
            }
            Some(Err(_)) => Err(Failed::NotConnected(Cause::Timeout(self.timeout))),
            None => Err(Failed::OutOfTime(Cause::Timeout(waited))),
        }
    }
}

/// Sends small pieces at once, and notices a node that is gone.
fn watch_over(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
    // A node that lost power sends nothing, ever; this notices within a minute.
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    let socket = SockRef::from(socket);
    let _ = socket.set_tcp_keepalive(&probes.with_retries(3));
    // Keepalive does not run while sent data is not acknowledged.
    let _ = socket.set_tcp_user_timeout(Some(Duration::from_secs(30)));
}
