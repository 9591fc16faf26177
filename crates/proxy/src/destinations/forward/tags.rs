//! Entity tags on their way: [`whipstitch_signaling::tag`] says what is meant.
//!
//! - An `ETag` of a node passes as it is, and so does the `If-Match` that holds it.
//! - A new session whose node gives none gets one of ours, for clients that know tags: `MediaMTX`
//!   1.20.1 gives up without one where it finds `PATCH` among the allowed methods
//!   (internal/protocols/whip/client.go, `postOffer`).
//! - `@eyevinn/whip-web-client` 1.1.7 (WHIPProtocol.ts, `updateIce`) sends the tag in a header
//!   `ETag`: that is `If-Match` to a node.
//! - A `DELETE` depends on no tag (RFC 9725 §4.2); simple-whip-client (src/whip-client.c, 2025-10)
//!   sends one.

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH},
};
use http_body::Body as _;
use tracing::debug;
use whipstitch_signaling::{
    dialect::{Dialect, EntityTags},
    headers::{self, Media},
    session::Session,
    tag::{self, Condition, Tag, Unmatched},
};

use crate::{Body, Exchange, words::body};

/// Whose tag the client of a new session goes by, from the node's answer to its `POST`.
pub(super) fn of(answer: &HeaderMap, dialect: Dialect) -> Tag {
    match dialect.entity_tags() {
        EntityTags::Unknown => Tag::None,
        EntityTags::Known if answer.contains_key(ETAG) => Tag::Nodes,
        EntityTags::Known => Tag::Ours,
    }
}

/// Gives the client of a new session its tag, if it is one of ours.
pub(super) fn tell(answer: &mut HeaderMap, session: &Session) {
    if session.tag == Tag::Ours
        && let Ok(tag) = HeaderValue::try_from(tag::first(session.issued_at))
    {
        answer.insert(ETAG, tag);
    }
}

/// Makes the condition of a request to a session the node's, or takes it out. `true` says that it
/// is a trickle or an ICE restart, whose answer [`after`] has to see.
///
/// # Errors
/// In strict mode, where the condition does not hold.
pub(super) fn before<B>(
    request: &mut Request<B>,
    session: &Session,
    strict: bool,
) -> Result<bool, Unmatched> {
    let is_fragment = *request.method() == Method::PATCH
        && headers::media(request.headers()) == Some(Some(Media::SdpFragment));
    let is_delete = *request.method() == Method::DELETE;
    let headers = request.headers_mut();
    let misplaced = headers.remove(ETAG);
    if is_delete {
        headers.remove(IF_MATCH);
        return Ok(false);
    }
    if let Some(tag) = misplaced.filter(|tag| tag.to_str().is_ok_and(tag::is_tag))
        && !headers.contains_key(IF_MATCH)
    {
        headers.insert(IF_MATCH, tag);
    }
    let if_match = joined(headers);
    match tag::judge(
        session.tag,
        session.issued_at,
        if_match.as_deref(),
        strict && is_fragment,
    )? {
        Condition::Passes => {}
        Condition::Stays => drop(headers.remove(IF_MATCH)),
    }
    Ok(is_fragment)
}

/// Lets a client live on that knows no tags, and gives one that goes by ours its next.
///
/// What a node says with 405, 412 or 428 to a trickle is that it does not take these candidates. A
/// client of draft-ietf-wish-whip-01 takes it for the end; 204 is the answer to candidates that are
/// left out (RFC 9725 §4.3.2). `now` is in milliseconds since 1970; it only makes a tag differ from
/// the one before it.
pub(super) fn after(
    mut response: Response<Body>,
    session: &Session,
    exchange: &Exchange,
    now: u64,
) -> Response<Body> {
    let status = response.status();
    let refused = matches!(
        status,
        StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::PRECONDITION_REQUIRED
    );
    match session.tag {
        Tag::None if refused => {
            let (id, status) = (exchange.id(), status.as_u16());
            debug!(id, status, "the node does not take candidates");
            *response.status_mut() = StatusCode::NO_CONTENT;
            for name in [CONTENT_LENGTH, CONTENT_TYPE] {
                response.headers_mut().remove(name);
            }
            response.map(|_| body::empty())
        }
        Tag::Ours if is_restart(&response) => {
            if let Ok(next) = HeaderValue::try_from(tag::next(session.issued_at, now)) {
                response.headers_mut().entry(ETAG).or_insert(next);
            }
            response
        }
        Tag::None | Tag::Nodes | Tag::Ours => response,
    }
}

/// A success with candidates of a new ICE session (RFC 9725 §4.3.3).
fn is_restart(response: &Response<Body>) -> bool {
    response.status() == StatusCode::OK && !response.body().is_end_stream()
}

fn joined(headers: &HeaderMap) -> Option<String> {
    let values: Vec<String> = headers
        .get_all(IF_MATCH)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

#[cfg(test)]
mod tests;
