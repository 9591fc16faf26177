//! The two generations of the Stream Manager, which speak different URLs.

use serde::{Deserialize, Serialize};

/// Which Stream Manager is meant: the event API and proxy URLs of 1.x, or those of 2.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Api {
    /// Stream Manager 1.x (Red5 Pro documentation, Stream Manager REST API 4.0):
    /// `/streammanager/…`.
    #[default]
    #[serde(rename = "1")]
    V1,
    /// Stream Manager 2.0 (Red5 Pro documentation, Stream Manager 2.0): `/as/v1/…`.
    #[serde(rename = "2")]
    V2,
}
