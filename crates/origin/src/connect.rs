//! The way to the Stream Manager, `http` or `https`: its addresses, and clients that follow it when
//! they change.
//!
//! A pool of connections never asks for a name again as long as it has one to use, so a manager
//! that moved would be spoken to at its old place for ever. Here the name is looked at again every
//! few seconds, and a client that was made for other addresses is replaced, with its pool. While
//! the name cannot be resolved, the last good addresses count.

mod address;
mod pem;
mod roots;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http_body::Body;
use hyper_rustls::{
    FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream,
};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connection as _, HttpConnector, HttpInfo, dns::Name},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::{BoxError, Service, ServiceExt as _};

use crate::resolve::ResolveError;

pub use self::{
    address::ManagerAddress,
    roots::{Roots, RootsError},
};

/// Below the keep-alive of any server, so that a pooled connection is rarely one that just closed.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// Connects to the Stream Manager.
pub type Connector = HttpsConnector<HttpConnector<Names>>;

/// A connection to the Stream Manager that belongs to no pool.
pub type Connection = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Makes one client of the Stream Manager after the other: a new one when it has moved.
pub struct Clients<B> {
    manager: ManagerAddress,
    connector: Connector,
    pool_size: usize,
    /// The client in use, and the addresses it was made for.
    current: Mutex<(u64, Client<Connector, B>)>,
}

impl<B> Clients<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    /// Clients that wait `connect` long for a connection and keep `pool_size` idle ones. Redirects
    /// are not followed.
    ///
    /// # Errors
    /// The system's certificate roots cannot be read, only for `https` without roots of its own; or
    /// the name to verify is none.
    pub fn new(
        manager: ManagerAddress,
        connect: Duration,
        pool_size: usize,
    ) -> std::io::Result<Self> {
        let connector = connector(manager.clone(), connect)?;
        let first = client(connector.clone(), pool_size);
        Ok(Self {
            manager,
            connector,
            pool_size,
            current: Mutex::new((0, first)),
        })
    }

    /// The client for the addresses that the manager has now. Waits a moment if they have not been
    /// looked at recently.
    pub async fn current(&self) -> Client<Connector, B> {
        let generation = self.manager.generation().await;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 != generation {
            // Pending requests on the old one end there.
            *current = (generation, client(self.connector.clone(), self.pool_size));
        }
        current.1.clone()
    }
}

impl<B> Clients<B> {
    /// A connection of its own to the manager, and the address that it leads to.
    ///
    /// # Errors
    /// Why there is none: the name, TCP or TLS.
    pub async fn dial(&self) -> Result<(Connection, Option<SocketAddr>), BoxError> {
        let uri = self.manager.base().uri("/")?;
        let connection = self.connector.clone().oneshot(uri).await?;
        let mut extras = http::Extensions::new();
        connection.connected().get_extras(&mut extras);
        let peer = extras.get::<HttpInfo>().map(HttpInfo::remote_addr);
        Ok((connection, peer))
    }
}

impl<B> fmt::Debug for Clients<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("manager", &self.manager)
            .finish_non_exhaustive()
    }
}

fn client<B>(connector: Connector, pool_size: usize) -> Client<Connector, B>
where
    B: Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(pool_size)
        .build(connector)
}

fn connector(manager: ManagerAddress, timeout: Duration) -> std::io::Result<Connector> {
    let (base, roots) = (manager.base().clone(), manager.roots().cloned());
    let mut http = HttpConnector::new_with_resolver(Names(manager));
    http.set_nodelay(true);
    http.set_connect_timeout(Some(timeout));
    // A manager that lost power sends nothing, ever; a WebSocket notices within a minute.
    http.set_keepalive(Some(Duration::from_secs(30)));
    http.set_keepalive_interval(Some(Duration::from_secs(10)));
    http.set_keepalive_retries(Some(3));
    // Keepalive does not run while something that was sent is not acknowledged.
    http.set_tcp_user_timeout(Some(Duration::from_secs(30)));
    http.enforce_http(false);
    let builder = HttpsConnectorBuilder::new();
    // Reading the system's roots costs milliseconds and memory that a plain manager does not need.
    let builder = match roots {
        None if base.is_https() => builder.with_native_roots()?,
        roots => builder.with_tls_config(trusting(roots)),
    };
    let mut builder = builder.https_or_http();
    if let Some(name) = base.verified_name().map_err(std::io::Error::other)? {
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    Ok(builder.enable_http1().wrap_connector(http))
}

fn trusting(roots: Option<Roots>) -> ClientConfig {
    let roots = roots.map_or_else(|| Arc::new(RootCertStore::empty()), |roots| roots.store());
    ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Resolves the one name that there is: the manager's.
#[derive(Clone, Debug)]
pub struct Names(ManagerAddress);

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = BoxFuture<'static, Result<Self::Response, ResolveError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        let manager = self.0.clone();
        Box::pin(async move {
            let addresses = manager.addresses().await?;
            let addresses: Vec<SocketAddr> =
                addresses.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
            Ok(addresses.into_iter())
        })
    }
}

#[cfg(test)]
mod tests;
