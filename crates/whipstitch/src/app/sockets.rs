//! Binds every address, before anything else is built.

use std::net::SocketAddr;

use whipstitch_admin::{AdminSocket, SocketFile};
use whipstitch_config::Config;
use whipstitch_ingress::Listener;

use super::StartError;
use whipstitch_ingress::inherited::Inherited;

/// The bound sockets.
pub(super) struct Sockets {
    pub(super) https: Vec<Listener>,
    pub(super) http: Vec<Listener>,
    pub(super) admin: Option<Listener>,
    pub(super) admin_socket: Option<AdminSocket>,
    pub(super) socket_file: Option<SocketFile>,
}

/// The addresses of the sockets, with the ports that were chosen.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) https: Vec<SocketAddr>,
    pub(super) http: Vec<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
}

/// Binds them.
pub(super) fn bind(config: &Config, mut inherited: Inherited) -> Result<Sockets, StartError> {
    let https = listen(&config.listen.https, &mut inherited)?;
    let http = listen(&config.listen.http, &mut inherited)?;
    let admin = listen(config.listen.admin.as_slice(), &mut inherited)?.pop();
    inherited.none_left()?;
    let path = config.admin.socket.as_deref();
    let (admin_socket, socket_file) = path.map(AdminSocket::bind).transpose()?.unzip();
    Ok(Sockets {
        https,
        http,
        admin,
        admin_socket,
        socket_file,
    })
}

impl Sockets {
    pub(super) fn addresses(&self) -> Addresses {
        Addresses {
            https: self.https.iter().map(Listener::addr).collect(),
            http: self.http.iter().map(Listener::addr).collect(),
            admin: self.admin.as_ref().map(Listener::addr),
        }
    }
}

impl Addresses {
    /// All of them.
    pub(super) fn all(&self) -> Vec<SocketAddr> {
        let all = self.https.iter().chain(&self.http).chain(&self.admin);
        all.copied().collect()
    }
}

/// A listener for each address: the service manager's socket, if it has bound that address, else a
/// new one.
fn listen(addrs: &[SocketAddr], inherited: &mut Inherited) -> Result<Vec<Listener>, StartError> {
    let listener = |addr: &SocketAddr| {
        let listener = match inherited.bound_to(*addr) {
            Some(socket) => Listener::adopt(socket),
            None => Listener::bind(*addr),
        };
        listener.map_err(|error| StartError::Bind(*addr, error))
    };
    addrs.iter().map(listener).collect()
}
