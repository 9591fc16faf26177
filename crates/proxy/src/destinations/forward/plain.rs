//! A node's session description, as clients can read it: not compressed, and with the media type
//! that they compare.

use bytes::BytesMut;
use http::{
    HeaderMap, Response,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use tokio::time::Instant;
use whipstitch_origin::Cause;
use whipstitch_signaling::{
    coding::{self, Coding},
    headers,
};

use super::offer::MAX_SDP;
use crate::{
    Body,
    request::budget::Budget,
    words::{body, error::NodeFault},
};

/// The answer with its media type in the one spelling, and a description as it is meant. One that
/// cannot be decoded, or is too long for it, passes as it came.
///
/// # Errors
/// A compressed description broke off, or did not come in time.
pub(super) async fn described(
    mut response: Response<Body>,
    budget: &mut Budget,
) -> Result<Response<Body>, NodeFault> {
    headers::make_plain(response.headers_mut());
    let coding = coding::of(response.headers());
    if coding == Coding::None || !is_description(response.headers()) {
        return Ok(response);
    }
    let (mut head, mut body) = response.into_parts();
    let (mut read, began) = (BytesMut::new(), Instant::now());
    let whole = budget.pay(body::read_up_to(MAX_SDP, &mut body, &mut read));
    let late = || NodeFault::Timeout(Cause::Timeout(began.elapsed()));
    let broken = |error| NodeFault::Sdp(Cause::of(&error, began.elapsed()));
    let whole = whole.await.ok_or_else(late)?.map_err(broken)?;
    if whole && let Some(plain) = coding.decoded(&read, MAX_SDP) {
        head.headers.remove(CONTENT_ENCODING);
        head.headers.remove(CONTENT_LENGTH);
        return Ok(Response::from_parts(head, body::full(plain)));
    }
    let body = body::resumed(read.freeze(), body);
    Ok(Response::from_parts(head, body))
}

fn is_description(headers: &HeaderMap) -> bool {
    matches!(headers::media(headers), Some(Some(_)))
}
