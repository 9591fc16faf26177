//! `[auth]`: who may publish and play.

use std::{path::PathBuf, time::Duration};

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};

use crate::Rule;

/// `[auth]`: who may publish and play; everybody unless there are rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// How clients are judged, by role and scope; the first rule that fits counts. Without any, no
    /// client is judged.
    pub rules: Vec<Rule>,
    /// File with the key of tokens: a public key in PEM form, or the secret of HS256.
    pub key_file: Option<PathBuf>,
    /// File with a set of keys (JWKS, RFC 7517).
    pub jwks_file: Option<PathBuf>,
    /// What `iss` of every token has to be.
    pub issuer: Option<String>,
    /// What `aud` of every token has to be, or hold.
    pub audience: Option<String>,
    /// How far the clocks of issuers may be off.
    #[serde(with = "duration")]
    pub leeway: Duration,
    /// Passes the token that was judged on to the node.
    pub pass_token: bool,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            key_file: None,
            jwks_file: None,
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(30),
            pass_token: false,
        }
    }
}
