//! A POST that makes a session, and where the session is that comes of it.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode, header::LOCATION, uri::PathAndQuery};
use whipstitch_origin::Origin;
use whipstitch_signaling::{Role, StreamKey, query, rewrite};

use crate::{
    Exchange,
    sessions::{newest::Arrival, under_way::Work},
};

/// A POST to a node: all that is needed to end the session that it makes.
pub(crate) struct Creation {
    /// The node.
    pub(crate) origin: Origin,
    /// Path and query of the POST.
    pub(crate) target: PathAndQuery,
    /// Publish or play.
    pub(crate) role: Role,
    /// The stream.
    pub(crate) key: StreamKey,
    /// The client's own, which RFC 9725 §4.7 wants on a DELETE, too.
    pub(crate) authorization: Option<HeaderValue>,
    /// The record of the request.
    pub(crate) exchange: Exchange,
    /// When it came, in the order of arrival.
    pub(crate) since: Arrival,
    /// Says so to whoever wants to end a session at the same place, until the answer to it is
    /// there.
    pub(crate) under_way: Option<Arc<Work>>,
}

impl Creation {
    /// Whether a node that answers so has made a session: a 201 or any other success, or a
    /// counter-offer, which is a 406 that says where (draft-ietf-wish-whep §4.2).
    pub(crate) fn made(status: StatusCode, headers: &HeaderMap) -> bool {
        status.is_success()
            || (status == StatusCode::NOT_ACCEPTABLE && headers.contains_key(LOCATION))
    }

    /// Where at the node the session is. A `Location` that cannot be followed is not: then it is
    /// the usual place. Players have such a place by their `requestId` only; without one it could
    /// be anybody's.
    pub(crate) fn place(&self, location: Option<&HeaderValue>) -> Option<PathAndQuery> {
        let named = location.and_then(|named| rewrite::resource(&self.target, named).ok());
        let is_own = self.role == Role::Publish
            || query::get(self.target.query().unwrap_or_default(), "requestId").is_some();
        let usual = || rewrite::usual(&self.target).ok();
        named.or_else(|| is_own.then(usual)?)
    }
}

/// Whether a node that answers a DELETE so has the session no more: it ended it, or found none.
/// Red5's WHIP says 417 where it finds no session (Red5 Pro documentation, WHIP/WHEP, status
/// codes).
pub(crate) fn is_over(status: StatusCode) -> bool {
    const NONE: [StatusCode; 3] = [
        StatusCode::NOT_FOUND,
        StatusCode::GONE,
        StatusCode::EXPECTATION_FAILED,
    ];
    status.is_success() || NONE.contains(&status)
}
