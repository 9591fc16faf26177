//! What an answer of a node says, and the part of it that is for the client.

use http::{Method, Response, StatusCode, header::LOCATION};
use whipstitch_signaling::headers::strip_hop_by_hop;

use super::SESSION_HOST;
use crate::{Body, Error, nodes::failover::NodeAnswer, words::error::NodeFault};

/// The answer that names no other place.
pub(super) fn unmoved(mut response: Response<Body>) -> Result<Response<Body>, Error> {
    if response.status().is_redirection() {
        return Err(NodeFault::Redirect.into());
    }
    response.headers_mut().remove(LOCATION);
    Ok(passed(response))
}

/// The answer without what is the node's alone.
pub(super) fn passed(mut response: Response<Body>) -> Response<Body> {
    strip_hop_by_hop(response.headers_mut());
    response.headers_mut().remove(SESSION_HOST);
    response
}

/// Whether the client's `POST` should find the node that answers so.
pub(super) fn is_pinning(method: &Method, status: StatusCode) -> bool {
    method == Method::OPTIONS && status.is_success()
}

/// Whether an answer says that the lookup which led to the node did not hold: the node does not
/// have the stream, or not the means for it.
pub(super) fn is_false_lead<G>(answer: &Result<NodeAnswer<G>, Error>) -> bool {
    match answer {
        Ok(NodeAnswer { response, .. }) => {
            response.status().is_server_error() || response.status() == StatusCode::NOT_FOUND
        }
        Err(error) => matches!(error, Error::Node(_)),
    }
}
