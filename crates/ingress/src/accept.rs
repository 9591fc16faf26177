//! The one accept loop.

use std::{
    error::Error,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{
    Metrics,
    config::Connections,
    connection::{self, ConnectionInfo, FIRST_BYTE, HttpService, Terms},
    handshake::{self, TlsHandshake},
    proxy_protocol::{Client, ProxyProtocol},
    refusals::{Refusals, Render},
    reserve::Reserve,
    room::Room,
    socket::Socket,
};

/// Connections that the kernel keeps while we are busy.
const BACKLOG: i32 = 1024;
/// Pause after an accept that failed for want of something: without it the loop would burn a core
/// until it is there.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound address.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// Binds an address; port 0 takes any free one. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// The address is in use, is not ours, or its port is not open to this user.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = RawSocket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for connections of the former process to be forgotten.
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Self::adopt(socket.into())
    }

    /// Takes over a socket that another process has made and bound. Must be called on a tokio
    /// runtime.
    ///
    /// # Errors
    /// It is no socket that can be listened on.
    pub fn adopt(socket: StdListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let tcp = TcpListener::from_std(socket)?;
        let addr = tcp.local_addr()?;
        Ok(Self { tcp, addr })
    }

    /// The address that it is bound to, with the port that was taken.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// Accepts and serves connections, over any number of listeners.
#[derive(Clone)]
pub struct Server {
    limits: Connections,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    drain: CancellationToken,
    metrics: Metrics,
    /// Asks idle connections for their place.
    room: Arc<Room>,
    refusals: Refusals,
    reserve: Arc<Reserve>,
    proxy_protocol: ProxyProtocol,
}

impl Server {
    /// A server whose connections live on `tasks`. `stop` ends accepting; `drain` asks connections
    /// to end when the pending requests are answered.
    pub fn new(
        limits: Connections,
        tasks: TaskTracker,
        stop: CancellationToken,
        drain: CancellationToken,
        metrics: Metrics,
    ) -> Self {
        let places = Arc::new(Semaphore::new(limits.max));
        Self {
            limits,
            places,
            tasks,
            stop,
            drain,
            room: Arc::default(),
            refusals: Refusals::new(metrics.clone()),
            reserve: Arc::default(),
            proxy_protocol: ProxyProtocol::default(),
            metrics,
        }
    }

    /// The same server, whose answers to what it refuses itself are these.
    #[must_use]
    pub fn refusing_with(mut self, render: Render) -> Self {
        self.refusals = self.refusals.rendered_by(render);
        self
    }

    /// The same server, which accepts this many connections when there are no descriptors.
    #[must_use]
    pub fn with_reserve(mut self, descriptors: usize) -> Self {
        self.reserve = Arc::new(Reserve::new(descriptors));
        self
    }

    /// The same server, behind these balancers.
    #[must_use]
    pub fn behind(mut self, balancers: ProxyProtocol) -> Self {
        self.proxy_protocol = balancers;
        self
    }

    /// Accepts until `stop`. `make` gives the service of a connection, when its TLS handshake is
    /// over.
    pub async fn run<M, S, B>(self, listener: Listener, tls: Option<TlsAcceptor>, make: M)
    where
        M: Fn(ConnectionInfo) -> S + Send + Sync + 'static,
        S: HttpService<B>,
        B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
            + Send
            + 'static,
    {
        let make = Arc::new(make);
        while let Some((tcp, peer, place)) = self.next(&listener).await {
            let (server, tls, make) = (self.clone(), tls.clone(), make.clone());
            self.tasks.spawn(async move {
                // Held, not used: the place and the count are the connection's until it ends.
                let _place = place;
                let _open = server.metrics.connection();
                let (limits, refusals) = (&server.limits, &server.refusals);
                if let Some((client, socket, tls)) = server.greeted(tcp, peer, tls).await {
                    let service = make(ConnectionInfo { client, tls });
                    let terms = Terms {
                        limits,
                        drain: server.drain.clone(),
                        room: server.room.clone(),
                        refusals: refusals.clone(),
                        client: client.addr,
                    };
                    connection::serve(socket, service, terms).await;
                }
                server.reserve.refill();
            });
        }
    }

    /// What comes before HTTP: the PROXY protocol, and TLS. `None` if the client did not get
    /// through.
    async fn greeted(
        &self,
        mut tcp: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
    ) -> Option<(Client, Socket, Option<TlsHandshake>)> {
        let (limits, refusals) = (&self.limits, &self.refusals);
        let time = limits.handshake_timeout;
        let named = self.proxy_protocol.client(&mut tcp, peer, time).await;
        let client = named
            .inspect_err(|fault| refusals.no_client(*fault, peer))
            .ok()?;
        let secured =
            handshake::secure(tcp, tls, limits, refusals, &self.metrics, client.addr).await;
        secured.map(|(socket, tls)| (client, socket, tls))
    }

    /// A place for a connection; an idle one has to go if there is none.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(free) = self.places.clone().try_acquire_owned() {
            return Some(free);
        }
        let place = self.places.clone().acquire_owned();
        self.room.ask_until(place).await.ok()
    }

    /// Ends so long after the stop: a connection that is accepted already may still find a place.
    async fn stopped_for(&self, time: Duration) {
        self.stop.cancelled().await;
        tokio::time::sleep(time).await;
    }

    /// The next connection, when there is a place for it. `None` when accepting has to stop.
    ///
    /// The place is taken after the connection: an idle listener must not keep one from the others.
    async fn next(
        &self,
        listener: &Listener,
    ) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        loop {
            match self.stop.run_until_cancelled(listener.tcp.accept()).await? {
                Ok((tcp, peer)) => {
                    configure(&tcp);
                    let place = tokio::select! {
                        place = self.place() => place?,
                        () = self.stopped_for(FIRST_BYTE) => return None,
                    };
                    return Some((tcp, peer, place));
                }
                Err(error) if concerns_one_client(&error) => {}
                Err(_) if self.reserve.give() => {}
                Err(error) => {
                    self.metrics.accept_failed();
                    warn!(%error, listener = %listener.addr, "cannot accept connections; trying again in 100 ms");
                    self.stop
                        .run_until_cancelled(tokio::time::sleep(PAUSE))
                        .await?;
                }
            }
        }
    }
}

/// Answers leave at once, and a client that lost power is noticed within a minute.
fn configure(tcp: &TcpStream) {
    let _ = tcp.set_nodelay(true);
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    let socket = SockRef::from(tcp);
    let _ = socket.set_tcp_keepalive(&probes.with_retries(3));
    // Keepalive does not run while something that was sent is not acknowledged.
    let _ = socket.set_tcp_user_timeout(Some(Duration::from_secs(30)));
}

/// A client that left between its SYN and our accept.
fn concerns_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keepalive alone never finds a client that vanished while something was on its way to it.
    #[tokio::test]
    async fn a_client_that_acknowledges_nothing_is_given_up_after_thirty_seconds() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (_client, accepted) = tokio::join!(client, listener.accept());
        let (tcp, _) = accepted.unwrap();
        configure(&tcp);
        let timeout = SockRef::from(&tcp).tcp_user_timeout().unwrap();
        assert_eq!(timeout, Some(Duration::from_secs(30)));
    }
}
