//! Our own doors: a request that is sent to one would come back to us.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
};

/// The addresses that this process listens on.
#[derive(Clone, Debug, Default)]
pub(super) struct Listeners(Vec<SocketAddr>);

impl Listeners {
    pub(super) fn new(listeners: Vec<SocketAddr>) -> Self {
        Self(listeners)
    }

    /// Whether this address leads back to this process.
    pub(super) fn hold(&self, dialled: SocketAddr) -> bool {
        let of_port = self
            .0
            .iter()
            .filter(|listener| listener.port() == dialled.port());
        of_port.into_iter().any(|listener| {
            let own = listener.ip().to_canonical();
            own == dialled.ip()
                || (takes_all(own, dialled.ip()) && is_of_this_machine(dialled.ip()))
        })
    }
}

/// Whether a wildcard listener takes connections to such an address. `[::]` usually takes those
/// over IPv4 too.
fn takes_all(listener: IpAddr, dialled: IpAddr) -> bool {
    listener.is_unspecified() && (listener.is_ipv6() || dialled.is_ipv4())
}

/// Whether an address is one of this machine: only to such a one can a socket be bound. When that
/// cannot be told, as without free file descriptors, it counts as ours.
fn is_of_this_machine(ip: IpAddr) -> bool {
    match UdpSocket::bind((ip, 0)) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::AddrNotAvailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(listeners: &[&str], dialled: &str) -> bool {
        let listeners = listeners.iter().map(|addr| addr.parse().unwrap()).collect();
        Listeners::new(listeners).hold(dialled.parse().unwrap())
    }

    #[test]
    fn a_listener_of_one_address_is_that_address() {
        assert!(hold(&["10.0.0.1:5080"], "10.0.0.1:5080"));
        assert!(hold(&["[::ffff:10.0.0.1]:5080"], "10.0.0.1:5080"));
        assert!(!hold(&["10.0.0.1:5080"], "10.0.0.2:5080"));
        assert!(!hold(&["10.0.0.1:8443"], "10.0.0.1:5080"));
        assert!(!hold(&[], "10.0.0.1:5080"));
    }

    #[test]
    fn a_wildcard_is_every_address_of_this_machine() {
        assert!(hold(&["0.0.0.0:5080"], "127.0.0.1:5080"));
        assert!(hold(&["0.0.0.0:5080"], "127.99.0.1:5080"));
        assert!(hold(&["[::]:5080"], "127.0.0.1:5080"));
        assert!(
            !hold(&["0.0.0.0:5080"], "203.0.113.7:5080"),
            "an address of documentation is not here"
        );
        assert!(!hold(&["0.0.0.0:8443"], "127.0.0.1:5080"));
    }
}
