//! Whether the addresses to listen on can all be bound.

use std::net::SocketAddr;

use super::{Config, Finding};

pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    let listen = &config.listen;
    if listen.https.is_empty() && listen.http.is_empty() {
        let what = "there is no address to serve on: set listen.https (with tls.cert and tls.key), or listen.http";
        found.push(Finding::new(["listen.https", "listen.http"], what));
    }
    let mut taken: Vec<(&'static str, SocketAddr)> = Vec::new();
    for (key, addresses) in [
        ("listen.https", listen.https.as_slice()),
        ("listen.http", listen.http.as_slice()),
        ("listen.admin", listen.admin.as_slice()),
    ] {
        for (item, address) in addresses.iter().enumerate() {
            if let Some((owner, other)) = taken.iter().find(|(_, other)| collide(*address, *other))
            {
                let what = if other == address {
                    format!("{address} is taken by {owner} already")
                } else {
                    format!(
                        "{address} collides with {other} in {owner}: one of them takes the port on every address"
                    )
                };
                found.push(Finding::new([key, owner], what).at(item));
            }
            taken.push((key, *address));
        }
    }
}

/// Whether the kernel refuses the second of these addresses. Port 0 asks for any free port. `[::]`
/// and `0.0.0.0` may share a port or not, as the host is set; that is left to the kernel.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0
        && a.port() == b.port()
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}
