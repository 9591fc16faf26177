//! Serves any HTTP service over TCP and TLS.
//!
//! Knows no stream and no node: it accepts connections, agrees on TLS and on the version of HTTP,
//! hands each request to the service that `make` gives for the connection, and lets go of sockets
//! that were upgraded.

mod accept;
mod activity;
mod certificate;
pub mod config;
mod connection;
mod handshake;
pub mod metrics;
mod refusal;
mod room;
mod socket;
pub mod tls;
mod watched;
mod wire;

pub use accept::{Listener, Server};
pub use certificate::pem::{PemError, labels as pem_labels};
pub use connection::{ConnectionInfo, HttpService, TlsHandshake};
pub use metrics::Metrics;
pub use refusal::{MAX_FIELDS, MAX_HEADER, MAX_TARGET, Refusal, Render};
pub use socket::{Detached, Socket, detach};
pub use tls::{CertStore, TlsError};
