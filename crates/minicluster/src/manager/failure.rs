//! The error bodies of both generations of the API.

use serde_json::json;

use crate::registry::unix_millis;
use crate::reply::{self, Reply};

/// The message of 2.0 for a token that is missing, expired or unknown.
pub(super) const NO_TOKEN: &str = "Missing or invalid JWT Authorization header.";

/// The error body of API 4.0.
pub(super) fn of_1_x(status: u16, message: &str) -> Reply {
    reply::json(
        status,
        &json!({"errorMessage": message, "timestamp": unix_millis()}),
    )
}

/// The error body of 2.0.
pub(super) fn of_2_0(status: u16, message: &str) -> Reply {
    reply::json(status, &json!({ "error": message }))
}
