//! How a Stream Manager is asked, and what its answers mean: one file a generation.

mod v1;
mod v2;

use http::StatusCode;
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
}

/// The API that is configured.
pub(crate) fn configured(config: &config::StreamManager) -> Box<dyn ManagerApi> {
    match config.api {
        Api::V1 => Box::new(v1::EventApi::new(config.api_version.clone())),
        Api::V2 => Box::new(v2::StreamsApi::new(config.node_group.clone())),
    }
}
