//! Holds a client's dialogue to what the client may do (`[auth]`).
//!
//! What a WebSocket is for is said in it, after the handshake, and the node believes it: a page
//! could open one as a player and publish. So the messages of a client that may not do everything
//! are read on their way. The message that goes too far never reaches the node whole, and ends the
//! session. Where everything is allowed, nothing is read.
//!
//! | key of a message | what it does |
//! |---|---|
//! | `handleOffer`, `publish` | publishes the stream of this name |
//! | `requestOffer`, `subscribe` | plays it |

use std::{
    fmt,
    io::{self, Cursor},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tracing::info;
use whipstitch_auth::{Dialogue, Outcome};
use whipstitch_signaling::Role;

use super::{Detached, Duplex};
use crate::{Exchange, Metrics};

/// Longest message that is taken, in bytes; a node takes 10,000.
const MAX_MESSAGE: usize = 64 * 1024;

/// The client, held to what it may say, if that is restricted.
pub(super) fn restrict(client: Detached, exchange: &Exchange, metrics: &Metrics) -> Detached {
    let Some(allowed) = exchange.dialogue() else {
        return client;
    };
    let mut io = Restricted {
        io: client.io,
        messages: Messages::new(allowed),
        id: exchange.id().to_owned(),
        metrics: metrics.clone(),
        is_over: false,
    };
    let passes = io.passes(&client.read);
    Detached {
        io: Box::new(io),
        read: if passes { client.read } else { Bytes::new() },
    }
}

/// A client's socket that ends with the first message that goes too far.
struct Restricted {
    io: Box<dyn Duplex>,
    messages: Messages,
    id: String,
    metrics: Metrics,
    is_over: bool,
}

impl Restricted {
    fn passes(&mut self, bytes: &[u8]) -> bool {
        if let Err(why) = self.messages.follow(bytes) {
            self.is_over = true;
            self.metrics.judged(Outcome::NotPermitted);
            info!(id = self.id, "WebSocket closed: {why}");
        }
        !self.is_over
    }
}

impl AsyncRead for Restricted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.is_over {
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        if !self.passes(read) {
            buffer.set_filled(before);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Restricted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Reads the messages of a client out of its bytes (RFC 6455 §5).
struct Messages {
    allowed: Arc<Dialogue>,
    /// The header of a frame, as far as it has come.
    header: Vec<u8>,
    frame: Frame,
    message: Vec<u8>,
}

/// The frame whose payload is read.
#[derive(Default)]
struct Frame {
    left: u64,
    mask: [u8; 4],
    /// Bytes of payload so far.
    read: usize,
    is_data: bool,
    is_final: bool,
}

impl Messages {
    fn new(allowed: Arc<Dialogue>) -> Self {
        Self {
            allowed,
            header: Vec::new(),
            frame: Frame::default(),
            message: Vec::new(),
        }
    }

    /// Follows these bytes, and says what is wrong with them.
    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.frame.left == 0 {
                self.header.push(*first);
                bytes = rest;
                self.begin()?;
                continue;
            }
            let left = usize::try_from(self.frame.left).unwrap_or(usize::MAX);
            let (payload, after) = bytes.split_at_checked(left).unwrap_or((bytes, &[]));
            self.payload(payload)?;
            bytes = after;
        }
        Ok(())
    }

    /// Begins a frame, if its header is complete.
    fn begin(&mut self) -> Result<(), &'static str> {
        let parsed = FrameHeader::parse(&mut Cursor::new(&self.header));
        let Some((header, left)) = parsed.map_err(|_| "the client sent no WebSocket frames")?
        else {
            return Ok(());
        };
        self.header.clear();
        let is_data = match header.opcode {
            OpCode::Data(Data::Text | Data::Continue) => true,
            OpCode::Control(_) => false,
            OpCode::Data(_) => return Err("the client sent something else than text"),
        };
        let mask = header.mask.ok_or("the client did not mask a frame")?;
        // Compressed by an extension that the node has not agreed to.
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err("the client uses an extension");
        }
        self.frame = Frame {
            left,
            mask,
            read: 0,
            is_data,
            is_final: header.is_final,
        };
        if left == 0 { self.end() } else { Ok(()) }
    }

    fn payload(&mut self, payload: &[u8]) -> Result<(), &'static str> {
        let frame = &mut self.frame;
        if frame.is_data {
            if self.message.len() + payload.len() > MAX_MESSAGE {
                return Err("the client sent a message that is too long");
            }
            let mask = frame.mask.iter().cycle().skip(frame.read % 4);
            let plain = payload.iter().zip(mask).map(|(byte, mask)| byte ^ mask);
            self.message.extend(plain);
        }
        frame.read += payload.len();
        frame.left = frame.left.saturating_sub(payload.len() as u64);
        if frame.left == 0 { self.end() } else { Ok(()) }
    }

    /// A frame is over, and perhaps a message with it.
    fn end(&mut self) -> Result<(), &'static str> {
        if !self.frame.is_data || !self.frame.is_final {
            return Ok(());
        }
        let message = std::mem::take(&mut self.message);
        let mut reader = serde_json::Deserializer::from_slice(&message);
        let keys = reader.deserialize_map(Keys);
        let whole = keys.and_then(|keys| reader.end().map(|()| keys));
        let keys = whole.map_err(|_| "the client sent a message that is no JSON object")?;
        keys.into_iter().try_for_each(|(role, name)| {
            let is_allowed = name.is_some_and(|name| self.allowed.allows(role, &name));
            let why = match role {
                Role::Publish => "the client may not publish this stream",
                Role::Play => "the client may not play this stream",
            };
            is_allowed.then_some(()).ok_or(why)
        })
    }
}

/// The keys of a message that begin something, each time that they stand there, with the stream
/// that they name.
struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Vec<(Role, Option<String>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            let role = match key.to_ascii_lowercase().as_str() {
                "handleoffer" | "publish" => Role::Publish,
                "requestoffer" | "subscribe" => Role::Play,
                _ => continue,
            };
            found.push((role, value.as_str().map(str::to_owned)));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
