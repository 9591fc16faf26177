//! Raw HTTP/2 frames (RFC 9113 §4), for requests that no client library would send.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    deployment::SOON,
    http::{Client, Io},
};

/// Types of frames.
pub mod kind {
    /// Payload of a message.
    pub const DATA: u8 = 0;
    /// The header of a message.
    pub const HEADERS: u8 = 1;
    /// The end of a stream at once.
    pub const RST_STREAM: u8 = 3;
    /// Settings of the connection.
    pub const SETTINGS: u8 = 4;
    /// A question that the other side has to answer.
    pub const PING: u8 = 6;
    /// The connection is about to end.
    pub const GOAWAY: u8 = 7;
    /// More of what a stream may send.
    pub const WINDOW_UPDATE: u8 = 8;
    /// The rest of a header.
    pub const CONTINUATION: u8 = 9;
}

/// This frame is the stream's last.
pub const END_STREAM: u8 = 1;
/// This frame ends the header.
pub const END_HEADERS: u8 = 4;

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block of fields that no table holds (RFC 7541 §6.2.2), so that it can hold any bytes.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            let length = u8::try_from(text.len()).unwrap();
            assert!(length < 127, "a longer one takes more than a byte");
            block.push(length);
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A connection that has sent the client preface (RFC 9113 §3.4).
pub async fn open(client: &Client) -> Box<dyn Io> {
    let (mut io, h2) = client.connect().await;
    assert!(h2);
    let mut first = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    first.extend(frame(kind::SETTINGS, 0, 0, b""));
    io.write_all(&first).await.unwrap();
    io
}

/// Reads until a frame of one of these kinds, which it returns; `None` if the peer closes before.
pub async fn until(io: &mut (impl tokio::io::AsyncRead + Unpin), kinds: &[u8]) -> Option<Vec<u8>> {
    let frames = async {
        loop {
            let mut head = [0; 9];
            io.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut frame = head.to_vec();
            frame.resize(9 + usize::try_from(length).unwrap(), 0);
            io.read_exact(&mut frame[9..]).await.ok()?;
            if kinds.contains(&head[3]) {
                return Some(frame);
            }
        }
    };
    tokio::time::timeout(SOON, frames)
        .await
        .expect("an answer or an end in time")
}
