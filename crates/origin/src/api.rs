//! How a Stream Manager is asked, and what its answers mean: one file a generation.

mod v1;
mod v2;

use std::net::IpAddr;

use http::StatusCode;
use serde::Deserialize;
use whipstitch_signaling::{Api, StreamKey};

use crate::{Lookup, LookupError, answer::Answer, config};

/// What the two generations say in different words.
pub(crate) trait ManagerApi: Send + Sync {
    /// Path and query that ask for the nodes of this stream; `endpoints` is how many, if the
    /// client's own hints allow to ask for a number (see [`crate::Hints::takes_endpoints`]).
    ///
    /// The stream may be another than the lookup's: the base of a transcoder's variant.
    fn question(&self, key: &StreamKey, lookup: &Lookup, endpoints: usize) -> String;

    /// What was answered.
    fn interpret(&self, status: StatusCode, body: &[u8]) -> Result<Answer, LookupError>;

    /// The node group that a lookup asks, for an API that has groups.
    fn group<'a>(&'a self, lookup: &'a Lookup) -> Option<&'a str>;

    /// Path of the list of streams: of this node group, or of the whole manager without groups.
    fn list(&self, group: Option<&str>) -> String;

    /// Path that asks for this stream alone: in this node group, or in the whole manager without
    /// groups.
    fn single(&self, group: Option<&str>, key: &StreamKey) -> String;

    /// Whether this is the answer to [`Self::single`] for a stream without a publisher.
    fn is_absent(&self, status: StatusCode, body: &[u8]) -> bool;

    /// The published streams of a list; `None` if the body is no list of streams.
    fn published(&self, body: &[u8]) -> Option<Vec<ListedStream>>;
}

/// A published stream of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedStream {
    pub(crate) key: StreamKey,
    /// The node of this entry, if the list names it by an IP address.
    pub(crate) node: Option<IpAddr>,
}

impl ListedStream {
    fn new(key: StreamKey, node: Option<&str>) -> Self {
        let node = node.and_then(|node| node.parse().ok());
        Self { key, node }
    }
}

/// Roles of nodes that carry a stream only for players.
const PLAYERS_ONLY: [&str; 2] = ["edge", "relay"];

/// Whether a node of this role can have the publisher; one without a role can.
fn has_publisher(role: Option<&str>) -> bool {
    !role.is_some_and(|role| {
        PLAYERS_ONLY
            .iter()
            .any(|known| role.eq_ignore_ascii_case(known))
    })
}

/// Reads a list, without the byte order mark that some servers send (RFC 8259 §8.1).
fn list_of<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Option<Vec<T>> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).ok()
}

/// The API that is configured.
pub(crate) fn configured(config: &config::StreamManager) -> Box<dyn ManagerApi> {
    match config.api {
        Api::V1 => Box::new(v1::EventApi::new(config.api_version.clone())),
        Api::V2 => Box::new(v2::StreamsApi::new(config.node_group.clone())),
    }
}
