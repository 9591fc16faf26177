//! Takes the socket of an upgraded connection back out of hyper.

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

use crate::{socket::Socket, wire::Wire};

/// An upgraded connection, out of hyper.
#[derive(Debug)]
pub enum Detached {
    /// A whole connection (HTTP/1.1): the socket itself, and what hyper had read of it already.
    Socket(Socket, Bytes),
    /// One stream of a connection that others share (HTTP/2, RFC 8441).
    Stream(TokioIo<Upgraded>),
}

/// Takes the socket out of an upgraded connection that a [`crate::Server`] accepted.
pub fn detach(upgraded: Upgraded) -> Detached {
    match upgraded.downcast::<TokioIo<Wire>>() {
        Ok(parts) => {
            let (socket, held) = parts.io.into_inner().into_parts();
            let read = if held.is_empty() {
                parts.read_buf
            } else {
                [&parts.read_buf[..], &held].concat().into()
            };
            Detached::Socket(socket, read)
        }
        Err(upgraded) => Detached::Stream(TokioIo::new(upgraded)),
    }
}
