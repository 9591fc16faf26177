//! A POST that creates a session, as the request that it was.

use http::{HeaderValue, uri::PathAndQuery};
use whipstitch_origin::Origin;
use whipstitch_signaling::{Role, StreamKey, query, rewrite};

use super::slot::{Arrival, Slot};
use crate::Exchange;

/// A POST to a node: all that is needed to end the session that it makes.
#[derive(Clone)]
pub(crate) struct CreateRequest {
    /// The node.
    pub(crate) origin: Origin,
    /// Path and query of the POST.
    pub(crate) target: PathAndQuery,
    /// Publish or play.
    pub(crate) role: Role,
    /// The stream.
    pub(crate) key: StreamKey,
    /// The client's own.
    pub(crate) authorization: Option<HeaderValue>,
    /// The record of the request.
    pub(crate) exchange: Exchange,
    /// When it came, in the order of arrival.
    pub(crate) since: Arrival,
}

impl CreateRequest {
    /// Where at the node the session is. A `Location` that cannot be followed is ignored: then it
    /// is the usual path. Players have such a path by their `requestId` only; without one it could
    /// be another client's.
    pub(crate) fn resource(&self, location: Option<&HeaderValue>) -> Option<PathAndQuery> {
        let named = location.and_then(|named| rewrite::resource(&self.target, named).ok());
        let is_own = self.role == Role::Publish
            || query::get(self.target.query().unwrap_or_default(), "requestId").is_some();
        let usual = || rewrite::usual(&self.target).ok();
        named.or_else(|| is_own.then(usual)?)
    }

    /// The slot of the session to come; `None` where only the answer says it, and no other client's
    /// session can be there.
    pub(crate) fn slot(&self) -> Option<Slot> {
        let resource = self.resource(None)?;
        Some(Slot::at(self.role, self.origin.named(), resource))
    }
}
