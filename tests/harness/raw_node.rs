//! A node that is only a socket: it completes one WebSocket handshake and then lets the test read
//! and write raw bytes, so that the test can compare them byte for byte.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::deployment::SOON;

/// A listening socket in the place of a node.
pub struct RawNode {
    listener: TcpListener,
}

impl RawNode {
    /// Listens on a free port of this loopback address.
    pub async fn start(last: u8) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), 0))
            .await
            .unwrap();
        Self { listener }
    }

    /// Where.
    pub fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Accepts a connection, reads the header of its request, and answers 101 with these additional
    /// header lines.
    pub async fn accept(&self, more: &str) -> (String, TcpStream) {
        let (mut socket, _) = self.listener.accept().await.unwrap();
        let head = read_head(&mut socket).await;
        let key = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(name, key)| {
                name.eq_ignore_ascii_case("sec-websocket-key")
                    .then_some(key)
            })
            .unwrap();
        let accept = derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
        (head, socket)
    }

    /// Accepts a connection, reads a request with a body of this length, and answers with these
    /// bytes; header and body.
    pub async fn answer(&self, length: usize, answer: &[u8]) -> (String, Vec<u8>) {
        let (mut socket, _) = timeout(SOON, self.listener.accept())
            .await
            .expect("a client in time")
            .unwrap();
        let head = read_head(&mut socket).await;
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.unwrap();
        socket.write_all(answer).await.unwrap();
        (head, body)
    }

    /// Accepts a connection and sends nothing.
    pub async fn accept_silently(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// Whether there was no connection.
    pub fn unconnected(&self) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        self.listener.poll_accept(&mut context).is_pending()
    }
}

/// The header of a message, up to and without the empty line; names in lower case, as the proxy
/// sends them.
pub async fn read_head<R: tokio::io::AsyncRead + Unpin>(from: &mut R) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().trim_end().to_owned()
}
