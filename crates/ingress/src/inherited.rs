//! Listening sockets from a service manager, `systemd.socket(5)`: clients that connect during a
//! restart wait instead of being refused, and the process needs no right to bind a low port.
//!
//! No setting names them: a socket serves the `listen.*` of the same address, so the configuration
//! is complete with or without them.

use std::{
    fmt, io, mem,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;

/// The sockets that no `listen.*` has taken yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(SocketAddr, TcpListener)>);

impl Inherited {
    /// Those that this process was started with (`sd_listen_fds(3)`); none without `LISTEN_FDS`. To
    /// be called once, before there is another thread, because it takes the variables out of the
    /// environment.
    ///
    /// # Errors
    /// One of them is no TCP socket.
    pub fn take() -> io::Result<Self> {
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..passed.len() {
            if let Some(socket) = passed.take_tcp_listener(index)? {
                sockets.push((socket.local_addr()?, socket));
            }
        }
        Ok(Self(sockets))
    }

    /// The socket that is bound to this address, once.
    pub fn bound_to(&mut self, addr: SocketAddr) -> Option<TcpListener> {
        let at = self.0.iter().position(|(bound, _)| *bound == addr)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Checks that each was taken.
    ///
    /// # Errors
    /// Nothing was configured for some of them: clients would connect to them and never be served.
    pub fn none_left(&mut self) -> Result<(), Unwanted> {
        let left = mem::take(&mut self.0);
        if left.is_empty() {
            return Ok(());
        }
        Err(Unwanted(left.into_iter().map(|(addr, _)| addr).collect()))
    }
}

/// Addresses of sockets that no `listen.*` names.
#[derive(Debug)]
pub struct Unwanted(Vec<SocketAddr>);

impl fmt::Display for Unwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service manager listens on ")?;
        for (at, addr) in self.0.iter().enumerate() {
            let before = if at == 0 { "" } else { ", " };
            write!(f, "{before}{addr}")?;
        }
        f.write_str(
            ", which no listen.https, listen.http or listen.admin names; write the same address there and as \
             ListenStream= of the socket unit (0.0.0.0:443 or [::]:443, not 443 alone)",
        )
    }
}

impl std::error::Error for Unwanted {}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited(count: usize) -> (Inherited, Vec<SocketAddr>) {
        let sockets: Vec<_> = (0..count)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .map(|socket| (socket.local_addr().unwrap(), socket))
            .collect();
        let addrs = sockets.iter().map(|(addr, _)| *addr).collect();
        (Inherited(sockets), addrs)
    }

    #[test]
    fn each_is_taken_once_by_the_address_it_is_bound_to() {
        let (mut inherited, addrs) = inherited(2);
        let socket = inherited.bound_to(addrs[0]).unwrap();
        assert_eq!(socket.local_addr().unwrap(), addrs[0]);
        assert!(inherited.bound_to(addrs[0]).is_none());
        let error = inherited.none_left().unwrap_err().to_string();
        assert!(error.contains(&addrs[1].to_string()), "{error}");
        assert!(!error.contains(&addrs[0].to_string()), "{error}");
    }

    #[test]
    fn without_any_nothing_is_taken_and_nothing_left() {
        let mut none = Inherited::default();
        assert!(none.bound_to("127.0.0.1:443".parse().unwrap()).is_none());
        none.none_left().unwrap();
    }
}
