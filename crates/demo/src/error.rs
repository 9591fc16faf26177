//! Why the demo could not start.

use std::{io, net::SocketAddr};

use crate::Silent;

/// Why the demo could not start; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port that a flag or its default names is taken, or may not be used.
    #[error("cannot listen on {address}: {source}; choose another port with {flag}")]
    Port {
        /// Where it should have listened.
        address: SocketAddr,
        /// The flag that moves it.
        flag: &'static str,
        /// The error of the system.
        source: io::Error,
    },
    /// A node's loopback address does not exist on this machine, as on macOS.
    #[error(
        "this machine has no address {}: {source}; on macOS `sudo ifconfig lo0 alias {}` adds it until the next start",
        .address.ip(), .address.ip()
    )]
    NodeAddress {
        /// Where the node should have listened.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The throw-away certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The throw-away certificate could not be written.
    #[error("cannot write the certificate into the temporary directory: {0}")]
    Write(#[from] io::Error),
    /// The cluster did not start.
    #[error("cannot start the Stream Manager and its nodes: {0}")]
    Cluster(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The proxy did not start.
    #[error("cannot start the proxy: {0}")]
    Proxy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The settings for one's own Stream Manager have mistakes; all of them, one a line.
    #[error("{0}")]
    Configuration(String),
    /// One's own Stream Manager is of no use.
    #[error("the Stream Manager at {0} cannot be used: {1}")]
    Silent(String, #[source] Silent),
    /// The demo's own front could not listen.
    #[error("cannot listen on a free port of 127.0.0.1: {0}")]
    Front(#[source] io::Error),
    /// More regions than nodes can stand in.
    #[error("--region is given {given} times, and {most} times is the most")]
    Regions {
        /// How often it was given.
        given: usize,
        /// How often it may be.
        most: usize,
    },
}
