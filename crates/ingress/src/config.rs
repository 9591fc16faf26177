//! What an operator can set about sockets: `[listen]`, `[tls]` and `[connections]`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};

/// `[listen]`: the addresses to serve on. Any number of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Addresses that speak TLS (HTTP/2 and HTTP/1.1 by ALPN).
    pub https: Vec<SocketAddr>,
    /// Addresses that speak plain HTTP/1.1. Browsers capture a camera only over TLS or on
    /// localhost.
    pub http: Vec<SocketAddr>,
    /// Networks of balancers that send the PROXY protocol on `https` and `http`.
    pub proxy_protocol: Vec<IpNet>,
    /// Whether a balancer of these networks may leave the header out.
    pub proxy_protocol_optional: bool,
    /// The address of `/metrics`, `/livez` and `/readyz`; none unless set.
    pub admin: Option<SocketAddr>,
}

/// `[tls]`: the certificate shown on every address of `listen.https`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain, leaf first.
    pub cert: Option<PathBuf>,
    /// PEM file with the private key (PKCS#8, PKCS#1 or SEC1) of that certificate.
    pub key: Option<PathBuf>,
}

/// `[connections]`: what one client connection may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Connections {
    /// Most client connections open at once, over all listeners; further ones wait in the kernel's
    /// queue.
    pub max: usize,
    /// Longest wait for a TLS handshake to complete.
    #[serde(with = "duration")]
    pub handshake_timeout: Duration,
    /// Longest wait for the header of a request, from its first byte; for the first one, from the
    /// accept.
    #[serde(with = "duration")]
    pub header_timeout: Duration,
    /// Longest wait for the next request of a connection that has had one. Longer than balancers
    /// keep theirs: 60 s by default with AWS and nginx, 600 s with Google, which advises 620 s.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// Most requests at once on one HTTP/2 connection.
    pub h2_streams: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            max: 4_000,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(620),
            h2_streams: 100,
        }
    }
}
