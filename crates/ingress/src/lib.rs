//! Serves any HTTP service over TCP and TLS.
//!
//! Knows no stream and no node: it accepts connections, negotiates TLS and the version of HTTP,
//! passes each request to the service that `make` returns for the connection, and gives upgraded
//! sockets to that service.

mod accept;
mod activity;
mod certificate;
pub mod config;
mod connection;
mod control_frames;
mod detach;
mod framing;
mod handshake;
pub mod inherited;
pub mod metrics;
mod proxy_protocol;
mod refusal;
mod refusals;
mod reserve;
mod room;
mod socket;
pub mod tls;
mod watched;
mod wire;

pub use accept::{Listener, Server};
pub use certificate::{
    error::TlsError,
    facts::Validity,
    pem::{PemError, labels as pem_labels},
    summary::Certificates,
};
pub use connection::{ConnectionInfo, FIRST_BYTE, HttpService};
pub use detach::{Detached, detach};
pub use handshake::TlsHandshake;
pub use metrics::Metrics;
pub use proxy_protocol::{Client, ProxyProtocol};
pub use refusal::{MAX_FIELDS, MAX_HEADER, MAX_TARGET, Refusal};
pub use refusals::Render;
pub use socket::Socket;
pub use tls::CertStore;
