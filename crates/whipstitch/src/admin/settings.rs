//! `GET /config`: what counts, and where it came from.

use serde::Serialize;

use crate::config::Effective;

/// `GET /config`
pub(super) fn shown(settings: &[Effective]) -> impl Serialize {
    settings
}
