//! Tests a server the way the usual WHIP and WHEP clients use it, and reports which of their rules
//! it breaks.
//!
//! WHIP and WHEP clients disagree with each other and with the specifications: how a `Location` is
//! resolved, which status is a success, how a `Link` is read. Each client here is a small table of
//! rules. Each rule repeats how that client reads an answer, and names the source. No code is
//! shared with the proxy, so that a misreading on one side is not repeated on the other.
//!
//! No media flows; `--media` sends ICE checks only. Each visit deletes the sessions that it
//! creates. Every wait and every body is bounded.

mod answer;
mod candidates;
mod checks;
mod client;
mod clients;
mod cors;
mod dialogue;
mod error;
mod examine;
#[cfg(test)]
mod fixtures;
mod link;
mod manager;
mod media;
mod mistakes;
mod options;
mod play;
mod replicas;
mod report;
mod rule;
mod sdp;
mod stun;
mod target;
mod tls;
mod transcript;
mod url;
mod wire;

pub use error::Error;
pub use examine::examine;
pub use options::{Options, Output};
pub use report::{Report, Row, Verdict};
pub use rule::Failure;
pub use tls::any_certificate;

/// Publish or play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// WHIP, `RTCPublisher`.
    Publish,
    /// WHEP, `RTCSubscriber`.
    Play,
}

impl Role {
    /// Its segment in URLs.
    fn protocol(self) -> &'static str {
        match self {
            Self::Publish => "whip",
            Self::Play => "whep",
        }
    }
}
