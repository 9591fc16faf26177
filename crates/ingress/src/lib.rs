//! Serves any HTTP service over TCP and TLS.
//!
//! Knows no stream and no node: it accepts connections, agrees on TLS and on the version of HTTP, hands each request to
//! the service that `make` gives for the connection, and lets go of sockets that were upgraded.

mod accept;
mod activity;
pub mod config;
mod connection;
pub mod metrics;
mod socket;
pub mod tls;

pub use accept::{Listener, Server};
pub use connection::{ConnectionInfo, HttpService, TlsHandshake};
pub use metrics::Metrics;
pub use socket::{Detached, Socket, detach};
pub use tls::{CertStore, TlsError};
