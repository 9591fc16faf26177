//! HTTP/1.1 and WebSocket as a client, by hand: the generator shares a core with the node, and must
//! cost less than a target.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf as _, Bytes, BytesMut};
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::tls::Dialer;
use super::{frame, wire};

/// The longest head, and the longest body, that a target may send.
const LIMIT: usize = 64 * 1024;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Its status code.
    pub(super) status: u16,
    /// Its status line and headers.
    pub(super) head: Bytes,
    /// Its body.
    pub(super) body: Bytes,
}

/// A connection over TLS to a target.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    inbox: BytesMut,
}

impl Connection {
    /// Connects and shakes hands.
    pub(super) async fn open(dialer: &Dialer, target: SocketAddr) -> io::Result<Self> {
        let stream = dialer.http1(target).await?;
        let inbox = BytesMut::new();
        Ok(Self { stream, inbox })
    }

    /// Whether it was opened by a ticket of another.
    pub(super) fn is_resumed(&self) -> bool {
        self.stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.send(request).await?;
        let head = self.head().await?;
        let status = status(&head).ok_or_else(|| wrong("no status in the answer"))?;
        let length = match status {
            101 | 204 => 0,
            _ => content_length(&head).ok_or_else(|| wrong("an answer without Content-Length"))?,
        };
        let body = self.take(length).await?;
        Ok(Answer { status, head, body })
    }

    /// Becomes a WebSocket.
    pub(super) async fn upgrade(&mut self, request: &[u8]) -> io::Result<()> {
        let answer = self.exchange(request).await?;
        if answer.status != 101 {
            return Err(wrong(format!("{} instead of 101", answer.status)));
        }
        match header(&answer.head, "sec-websocket-accept") {
            Some(value) if value == wire::ACCEPT.as_bytes() => Ok(()),
            _ => Err(wrong("101 with a wrong Sec-WebSocket-Accept")),
        }
    }

    /// Sends a frame, made by [`frame::from_client`], and waits for the frame that a node makes of
    /// it.
    pub(super) async fn echo(&mut self, frame: &[u8], expected: &[u8]) -> io::Result<()> {
        self.send(frame).await?;
        let reply = self.take(expected.len()).await?;
        if reply == expected {
            return Ok(());
        }
        let opcode = frame::front(&reply).map(|frame| frame.opcode);
        Err(wrong(format!("not the echo: a frame of type {opcode:?}")))
    }

    /// Says goodbye (TLS `close_notify`) and closes.
    pub(super) async fn close(mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    async fn head(&mut self) -> io::Result<Bytes> {
        loop {
            let end = self.inbox.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                return Ok(self.inbox.split_to(end + 4).freeze());
            }
            if self.inbox.len() > LIMIT {
                return Err(wrong("a head without end"));
            }
            self.read().await?;
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Bytes> {
        if length > LIMIT {
            return Err(wrong("too long a body"));
        }
        while self.inbox.len() < length {
            self.read().await?;
        }
        Ok(self.inbox.split_to(length).freeze())
    }

    async fn read(&mut self) -> io::Result<()> {
        // An idle session must not hold a buffer: two thousand of them are open at once.
        if !self.inbox.has_remaining() || self.inbox.capacity() - self.inbox.len() < 4096 {
            self.inbox.reserve(16 * 1024);
        }
        match self.stream.read_buf(&mut self.inbox).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// The value of a header, its spaces trimmed.
pub(super) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        found
            .eq_ignore_ascii_case(name.as_bytes())
            .then(|| value.trim_ascii())
    })
}

fn status(head: &[u8]) -> Option<u16> {
    let digits = head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn content_length(head: &[u8]) -> Option<usize> {
    let digits = header(head, "content-length")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"HTTP/1.1 201 Created\r\nX-Content-Length: 9\r\ncontent-length:  12 \r\nLocation: /a\r\n\r\n";

    #[test]
    fn the_parts_of_a_head_are_found() {
        assert_eq!(status(HEAD), Some(201));
        assert_eq!(content_length(HEAD), Some(12));
        assert_eq!(header(HEAD, "location"), Some(&b"/a"[..]));
        assert_eq!(header(HEAD, "link"), None);
    }

    #[test]
    fn nonsense_is_not_a_head() {
        assert_eq!(status(b"HTTP/1.1 2"), None);
        assert_eq!(status(b"SSH-2.0-OpenSSH"), None);
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
