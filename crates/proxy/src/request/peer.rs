//! The other end of a client's connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::HeaderValue;
use tokio::time::Instant;

use crate::request::phases::Phase;

/// The other end of a client's connection. The acceptor puts it into the request's extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The client's address.
    pub addr: SocketAddr,
    /// Whether TLS protects the connection.
    pub tls: bool,
    /// Whether the address is that of one client, and not of a balancer with many.
    pub(super) is_one: bool,
    /// The address as it is written in `X-Forwarded-For`, made once per connection.
    forwarded_for: HeaderValue,
    handshake: Option<Arc<Handshake>>,
}

/// The TLS handshake of a connection.
#[derive(Debug)]
struct Handshake {
    phase: Phase,
    /// Whether an exchange has it already.
    taken: AtomicBool,
}

impl Peer {
    /// A client at this address.
    pub fn new(addr: SocketAddr, tls: bool) -> Self {
        let text = addr.ip().to_canonical().to_string();
        let forwarded_for =
            HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"));
        Self {
            addr,
            tls,
            is_one: true,
            forwarded_for,
            handshake: None,
        }
    }

    /// A balancer at the same address, which did not name its client.
    #[must_use]
    pub fn with_many_clients(mut self) -> Self {
        self.is_one = false;
        self
    }

    /// The same client, whose TLS handshake began at `began` and took `took`.
    #[must_use]
    pub fn after_handshake(mut self, began: Instant, took: Duration) -> Self {
        self.handshake = Some(Arc::new(Handshake {
            phase: Phase { began, took },
            taken: AtomicBool::new(false),
        }));
        self
    }

    /// The TLS handshake, returned once: only the first request of a connection waited for it.
    pub(super) fn first_handshake(&self) -> Option<Phase> {
        let handshake = self.handshake.as_ref()?;
        let taken = handshake.taken.swap(true, Ordering::Relaxed);
        (!taken).then_some(handshake.phase)
    }

    /// The address for `X-Forwarded-For`.
    pub(crate) fn forwarded_for(&self) -> HeaderValue {
        self.forwarded_for.clone()
    }
}
