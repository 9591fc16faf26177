//! The frames of our own: a Close with its code, and a Ping.

use hyper_tungstenite::tungstenite::protocol::{
    CloseFrame,
    frame::{Frame, coding::CloseCode},
};

/// Why a Close of ours is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// This proxy shuts down: 1001.
    Draining,
    /// The operator ended this session alone: 1001.
    Ended,
    /// The client is gone without a Close: 1001 for the node.
    ClientGone,
    /// The node is gone without a Close: 1014, Bad Gateway, for the client.
    NodeGone,
}

impl Goodbye {
    /// The frame: masked towards a node, as a client's has to be (RFC 6455 §5.3).
    pub(super) fn frame(self, to_node: bool) -> Vec<u8> {
        let (code, reason) = match self {
            Self::Draining => (CloseCode::Away, "the proxy is shutting down"),
            Self::Ended => (CloseCode::Away, "session ended by the operator"),
            Self::ClientGone => (CloseCode::Away, "the client is gone"),
            Self::NodeGone => (CloseCode::Bad(1014), "the node is gone"),
        };
        let close = CloseFrame {
            code,
            reason: reason.into(),
        };
        written(Frame::close(Some(close)), to_node)
    }
}

/// A Ping of ours: a side that has been silent for long has to answer it (RFC 6455 §5.5.2).
pub(super) fn ping(to_node: bool) -> Vec<u8> {
    written(Frame::ping(&b"whipstitch"[..]), to_node)
}

/// The bytes of a control frame of ours.
fn written(mut frame: Frame, to_node: bool) -> Vec<u8> {
    if to_node {
        // Any mask will do: it protects caches from scripts, and no script chose this payload.
        frame.header_mut().mask = Some([0x57, 0x68, 0x69, 0x70]);
    }
    let mut bytes = Vec::with_capacity(frame.len());
    // Writing into memory does not fail.
    let _ = frame.format(&mut bytes);
    bytes
}
