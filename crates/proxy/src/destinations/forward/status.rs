//! The exact status of a success. RFC 9725 §4.1 lets a client bind no meaning to a code; its
//! clients do all the same.
//!
//! | success of | is | for |
//! |---|---|---|
//! | POST | 201 | OBS, MediaMTX, simple-whip-client, whip-go: no other (RFC 9725 §4.2) |
//! | DELETE | 200 | OBS warns of any other and keeps the URL; MediaMTX |
//! | PATCH without a body in the answer | 204 | MediaMTX; RFC 9725 §4.3.1, draft-ietf-wish-whep §4.2 |

use bytes::Bytes;
use http::{
    HeaderMap, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Body as _;
use http_body_util::BodyExt;
use std::time::Duration;

use tracing::debug;
use whipstitch_origin::Cause;
use whipstitch_signaling::headers::{self, Media};

use crate::{
    Body, BodyError,
    request::budget::Budget,
    words::{body, error::NodeFault},
};

/// Gives a success the status that it has to have.
pub(super) fn make_exact(method: &Method, response: &mut Response<Body>) {
    if !response.status().is_success() {
        return;
    }
    match *method {
        Method::POST => *response.status_mut() = StatusCode::CREATED,
        Method::DELETE => *response.status_mut() = StatusCode::OK,
        // With a body it is the new candidates of an ICE restart, which is a 200.
        Method::PATCH if response.body().is_end_stream() => {
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().remove(CONTENT_LENGTH);
            response.headers_mut().remove(CONTENT_TYPE);
        }
        _ => {}
    }
}

/// Finds out whether there is a body: one without a length may turn out to be none. Only if that
/// takes longer than the budget goes, it is not known.
///
/// One that breaks off before it began is none, too: the node has done what it was asked for, and
/// says so in the status.
///
/// # Errors
/// It broke off, and the node had announced what is in it: without the answer to an ICE restart the
/// client cannot continue.
pub(super) async fn begun(
    response: Response<Body>,
    budget: &mut Budget,
) -> Result<Response<Body>, NodeFault> {
    if response.body().is_end_stream() || response.body().size_hint().lower() > 0 {
        return Ok(response);
    }
    let (head, mut body) = response.into_parts();
    let body = match budget.pay(first(&mut body)).await {
        Some(Ok(Some(first))) => body::resumed(first, body),
        Some(Ok(None)) => body::empty(),
        // What the media type says, not whether there is one: a servlet names text/html of nothing,
        // too.
        Some(Err(error)) if is_answer(&head.headers) => {
            return Err(NodeFault::Sdp(Cause::of(&error, Duration::ZERO)));
        }
        Some(Err(error)) => {
            debug!(%error, "the answer to a PATCH broke off before its body began, and counts as one without");
            body::empty()
        }
        None => body,
    };
    Ok(Response::from_parts(head, body))
}

/// Whether this is the header of an answer to an ICE restart (RFC 9725 §4.3.3), or of a session
/// description.
fn is_answer(headers: &HeaderMap) -> bool {
    matches!(
        headers::media(headers),
        Some(Some(Media::Sdp | Media::SdpFragment))
    )
}

/// The first piece that is not empty.
async fn first(body: &mut Body) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// A body of unknown length.
    fn pieces(pieces: &'static [&'static str]) -> Body {
        let frames = pieces
            .iter()
            .map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    }

    /// A body of unknown length that never begins.
    fn broken() -> Body {
        let reset = Err(BodyError::TooSlow(Duration::ZERO));
        StreamBody::new(stream::iter([reset])).boxed_unsync()
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_body_without_a_length_is_none() {
        let silent = StreamBody::new(stream::iter([]).chain(stream::pending())).boxed_unsync();
        for (sent, exact, arrives) in [
            (pieces(&[]), 204, ""),
            (pieces(&["", ""]), 204, ""),
            (pieces(&["", "a=ice", "-ufrag:x"]), 200, "a=ice-ufrag:x"),
            (body::full("a=mid:0"), 200, "a=mid:0"),
            (body::empty(), 204, ""),
            (broken(), 204, ""),
        ] {
            let mut budget = Budget::new(Duration::from_secs(6), Duration::from_secs(2));
            let mut response = begun(Response::new(sent), &mut budget).await.unwrap();
            make_exact(&Method::PATCH, &mut response);
            assert_eq!(response.status(), exact);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, arrives);
        }
        let mut budget = Budget::new(Duration::from_secs(6), Duration::from_secs(2));
        let late = begun(Response::new(silent), &mut budget).await.unwrap();
        assert!(late.status() == 200 && budget.is_over());
    }

    #[tokio::test]
    async fn an_answer_that_was_announced_and_broke_off_is_not_none() {
        for (media, is_none) in [
            ("application/trickle-ice-sdpfrag", false),
            ("Application/SDP; charset=utf-8", false),
            ("text/html;charset=utf-8", true),
        ] {
            let response = Response::builder().header(CONTENT_TYPE, media);
            let response = response.body(broken()).unwrap();
            let mut budget = Budget::new(Duration::from_secs(6), Duration::from_secs(2));
            match begun(response, &mut budget).await {
                Ok(response) => assert!(is_none && response.body().is_end_stream(), "{media}"),
                Err(fault) => assert!(!is_none && matches!(fault, NodeFault::Sdp(_)), "{media}"),
            }
        }
    }

    #[test]
    fn each_success_has_its_own_and_failures_keep_theirs() {
        for (method, status, sent, exact) in [
            (Method::POST, 200, "v=0", 201),
            (Method::POST, 201, "v=0", 201),
            (Method::POST, 409, "", 409),
            (Method::DELETE, 204, "", 200),
            (Method::DELETE, 202, "", 200),
            (Method::DELETE, 417, "gone", 417),
            (Method::PATCH, 200, "", 204),
            (Method::PATCH, 202, "", 204),
            (Method::PATCH, 200, "a=ice-ufrag:x", 200),
            (Method::PATCH, 404, "", 404),
            (Method::OPTIONS, 200, "", 200),
        ] {
            let body = if sent.is_empty() {
                body::empty()
            } else {
                body::full(sent)
            };
            let mut response = Response::builder()
                .status(status)
                .header(CONTENT_LENGTH, sent.len())
                .body(body)
                .unwrap();
            make_exact(&method, &mut response);
            assert_eq!(response.status(), exact, "{method} {status} {sent}");
            let has_length = response.headers().contains_key(CONTENT_LENGTH);
            assert_eq!(has_length, exact != 204, "RFC 9110 §8.6");
        }
    }
}
