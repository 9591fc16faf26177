//! Tries every port before anything starts, so that a taken one is reported together with its flag.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
};

use crate::{Error, Options};

/// Binds each address once and releases it. Port 0 is free by nature, yet the address must exist.
pub(crate) fn check(options: &Options, nodes: &[IpAddr]) -> Result<(), Error> {
    let manager = (options.manager_listener(), "--manager");
    let manager = options.stream_manager.is_none().then_some(manager);
    let own = [
        (options.https_listener(), "--https"),
        (options.http_listener(), "--http"),
        (options.admin_listener(), "--admin"),
    ];
    for (address, flag) in own.into_iter().chain(manager) {
        TcpListener::bind(address).map_err(|source| Error::Port {
            address,
            flag,
            source,
        })?;
    }
    for ip in nodes {
        let address = SocketAddr::new(*ip, options.node_port);
        TcpListener::bind(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrNotAvailable => Error::NodeAddress { address, source },
            _ => Error::Port {
                address,
                flag: "--node-port",
                source,
            },
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_flag() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let options = Options {
            http: port,
            ..Options::free_ports()
        };
        let error = check(&options, &[]).unwrap_err().to_string();
        assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
        assert!(error.contains("--http"), "{error}");
    }

    #[test]
    fn an_address_that_this_machine_lacks_is_reported_as_such() {
        let elsewhere = IpAddr::from([192, 0, 2, 1]); // TEST-NET-1, RFC 5737
        let error = check(&Options::free_ports(), &[elsewhere])
            .unwrap_err()
            .to_string();
        assert!(error.contains("192.0.2.1"), "{error}");
        assert!(error.contains("ifconfig lo0 alias"), "{error}");
    }
}
