//! What the status of a node's answer says of a session.

use http::{HeaderMap, StatusCode, header::LOCATION};

/// Whether a node that answers a POST so has made a session: a 201 or any other success, or a
/// counter-offer, which is a 406 that says where (draft-ietf-wish-whep §4.2).
pub(crate) fn made_session(status: StatusCode, headers: &HeaderMap) -> bool {
    status.is_success() || (status == StatusCode::NOT_ACCEPTABLE && headers.contains_key(LOCATION))
}

/// Whether a node that answers a DELETE so has the session no more: it ended it, or found none.
/// Red5's WHIP says 417 where it finds no session (Red5 Pro documentation, WHIP/WHEP, status
/// codes).
pub(crate) fn is_over(status: StatusCode) -> bool {
    status.is_success() || is_gone(status) || status == StatusCode::EXPECTATION_FAILED
}

/// Whether a node that answers any other request so has the session no more.
pub(crate) fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}
