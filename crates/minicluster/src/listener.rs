//! The accept loop of the manager and of every node: plain HTTP/1.1 on a real socket, with the
//! faults a socket can have.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fault::{Fault, Gate, Mode, Switch};
use crate::reply::{self, ReplyBody};
use crate::seen::{Seen, Server};

/// Red5 reads request heads of at most 8192 bytes.
const MAX_HEAD: usize = 8192;
const BACKLOG: u32 = 1024;
/// Maximum of tasks in the whole cluster, one per connection; further connections are closed.
const MAX_TASKS: usize = 65_536;

/// The address at the other end of a request's connection, among the extensions of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Handles the requests of a listener.
pub(crate) trait Handler: Send + Sync + 'static {
    fn handle(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<ReplyBody>> + Send;
}

/// A listener and all that its loop needs.
pub(crate) struct Listener<H> {
    pub(crate) server: Server,
    pub(crate) handler: Arc<H>,
    pub(crate) switch: Arc<Switch>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Bind without listening: the port is ours, and connections to it are refused.
pub(crate) fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl<H: Handler> Listener<H> {
    /// Serve `socket` until the token is cancelled. The error is that of `listen`, before anything
    /// is served.
    pub(crate) fn start(self, socket: TcpSocket) -> io::Result<()> {
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let tracker = self.tracker.clone();
        // Subscribe before the task first runs, so that a change of mode waits until the task obeys
        // it.
        let modes = self.switch.subscribe();
        tracker.spawn(Arc::new(self).run(address, listener, modes));
        Ok(())
    }

    async fn run(
        self: Arc<Self>,
        address: SocketAddr,
        listener: TcpListener,
        mut modes: watch::Receiver<Mode>,
    ) {
        let mut port = Port::Open(listener);
        let mut connections = Connections::until(&self.stop);
        loop {
            let mode = modes.borrow_and_update().clone();
            if mode.refuses() || mode.fault == Fault::Reset {
                connections.close().await;
                connections = Connections::until(&self.stop);
            }
            port = match port.follow(&mode, address) {
                Ok(port) => port,
                Err(error) => {
                    tracing::error!(%address, %error, "cannot listen any more");
                    return;
                }
            };
            self.switch.obeyed(&mode);
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = modes.changed() => if changed.is_err() { return },
                () = self.accept(&port, &mode, &connections) => {}
            }
        }
    }

    /// Accept for as long as the mode holds; never ends by itself.
    async fn accept(self: &Arc<Self>, port: &Port, mode: &Mode, connections: &Connections) {
        loop {
            let stream = match port.accept().await {
                Ok(stream) => stream,
                Err(error) => {
                    // Most likely out of descriptors: an immediate retry would spin.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            self.seen.connection(self.server);
            if self.tracker.len() >= MAX_TASKS {
                continue;
            }
            if mode.fault == Fault::Reset {
                // Closed with a zero linger time, the kernel sends RST instead of FIN.
                let _ = stream.set_zero_linger();
                continue;
            }
            let serve = self.clone().connection(stream, connections.until.clone());
            self.tracker.spawn(connections.open.track_future(serve));
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, until: CancellationToken) {
        let _ = stream.set_nodelay(true);
        let this = self.clone();
        let peer = stream.peer_addr().ok().map(|address| Peer(address.ip()));
        let service = service_fn(move |mut request: Request<Incoming>| {
            let this = this.clone();
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            async move { this.answer(request).await }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(30))
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::select! {
            () = until.cancelled() => {}
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            },
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, HangUp> {
        self.seen.request(self.server, &request);
        match self.switch.gate().await {
            Gate::Open => Ok(self.handler.handle(request).await),
            Gate::Answer(status, body) => Ok(reply::whole(reply::text(status, body))),
            Gate::Late(before, after) => self.late(request, before, after).await,
            Gate::HangUp => Err(HangUp),
        }
    }

    /// Handles a request in a task of its own, so that it completes even if its connection ends.
    async fn late(
        self: Arc<Self>,
        request: Request<Incoming>,
        before: Duration,
        after: Option<Duration>,
    ) -> Result<Response<ReplyBody>, HangUp> {
        if self.tracker.len() >= MAX_TASKS {
            return Err(HangUp);
        }
        let (tracker, stop) = (self.tracker.clone(), self.stop.clone());
        let handled = tracker.spawn(async move {
            let handled = async {
                tokio::time::sleep(before).await;
                let answer = self.handler.handle(request).await;
                match after {
                    Some(after) => tokio::time::sleep(after).await,
                    None => self.switch.until_not(&Fault::Late { before, after }).await,
                }
                answer
            };
            stop.run_until_cancelled(handled).await
        });
        handled.await.ok().flatten().ok_or(HangUp)
    }
}

/// The connections since the port listened last.
struct Connections {
    until: CancellationToken,
    open: TaskTracker,
}

impl Connections {
    fn until(stop: &CancellationToken) -> Self {
        Self {
            until: stop.child_token(),
            open: TaskTracker::new(),
        }
    }

    /// Closes them, and waits until they are: a request over one that is still open would be
    /// recorded after the fault has begun.
    async fn close(self) {
        self.until.cancel();
        self.open.close();
        self.open.wait().await;
    }
}

/// The node's port, bound whether it listens or not.
enum Port {
    Open(TcpListener),
    Shut(TcpSocket),
}

impl Port {
    /// Listen or stop listening, as the mode says.
    fn follow(self, mode: &Mode, address: SocketAddr) -> io::Result<Self> {
        match (self, mode.refuses()) {
            (Self::Shut(socket), false) => socket.listen(BACKLOG).map(Self::Open),
            (Self::Open(listener), true) => {
                drop(listener);
                reserve(address).map(Self::Shut)
            }
            (port, _) => Ok(port),
        }
    }

    /// The next connection; pending while the port does not listen.
    async fn accept(&self) -> io::Result<TcpStream> {
        match self {
            Self::Open(listener) => listener.accept().await.map(|(stream, _)| stream),
            Self::Shut(_) => std::future::pending().await,
        }
    }
}

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("hung up by a fault")]
struct HangUp;
