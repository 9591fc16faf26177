//! The PROXY protocol: a balancer for TCP names its client before the first byte of the client's.
//!
//! | the peer | it sends | the client is |
//! |---|---|---|
//! | in no network of `listen.proxy_protocol` | anything | the peer; a header is refused as not HTTP and not TLS |
//! | in one of them | a header that names an address | that address |
//! | | LOCAL, UNKNOWN, UNSPEC, or a Unix socket | the balancer, for itself or for many clients |
//! | | no header, with `listen.proxy_protocol_optional` | the same |
//! | | no header, or a bad one | closed, counted and logged |

mod header;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use tokio::{net::TcpStream, time::timeout};

use crate::config::Listen;
pub(crate) use header::Fault;

/// The balancers that name their clients so; none by default.
#[derive(Clone, Debug, Default)]
pub struct ProxyProtocol {
    from: Arc<[IpNet]>,
    optional: bool,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address of the client, or of a balancer that did not name one.
    pub addr: SocketAddr,
    /// Whether that is the address of one client, and not of a balancer with many.
    pub is_one: bool,
}

impl Client {
    /// A client whose address is known.
    pub(crate) fn known(addr: SocketAddr) -> Self {
        Self { addr, is_one: true }
    }
}

impl ProxyProtocol {
    /// As the operator has set it.
    pub fn new(listen: &Listen) -> Self {
        Self {
            from: listen.proxy_protocol.as_slice().into(),
            optional: listen.proxy_protocol_optional,
        }
    }

    /// The client of a connection. Reads the header, and nothing behind it.
    ///
    /// # Errors
    /// A balancer sent no header or a bad one, or none in this time.
    pub(crate) async fn client(
        &self,
        tcp: &mut TcpStream,
        peer: SocketAddr,
        time: Duration,
    ) -> Result<Client, Fault> {
        if !self.is_from(peer.ip().to_canonical()) {
            return Ok(Client::known(peer));
        }
        let named = async {
            if self.optional && !header::is_next(tcp).await? {
                return Ok(None);
            }
            header::read(tcp).await
        };
        let named = timeout(time, named).await.map_err(|_| Fault::Timeout)??;
        let balancer = Client {
            addr: peer,
            is_one: false,
        };
        Ok(named.map_or(balancer, Client::known))
    }

    fn is_from(&self, peer: IpAddr) -> bool {
        self.from.iter().any(|network| network.contains(&peer))
    }
}

#[cfg(test)]
mod tests;
