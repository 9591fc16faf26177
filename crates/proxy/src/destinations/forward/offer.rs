//! Who makes the offer: a Red5 node answers a player's offer with one of its own, in a 201; a
//! player that speaks draft-ietf-wish-whep takes the body of a 201 for an answer, and an offer only
//! as the counter-offer 406 (§4.2).
//!
//! | the node's answer | Red5's SDK, or nothing was offered | any other client |
//! |---|---|---|
//! | 201 with an answer | as it is | as it is |
//! | 201 with an offer | as it is | 406, `application/sdp; valid-until="…"` |
//! | 406 with SDP | as it is | as it is |
//! | 406 without, whatever its `Content-Type` | as it is | a problem: `GStreamer`'s whepclientsrc takes any 406 for an offer |

use bytes::BytesMut;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use jiff::{Timestamp, ToSpan, fmt::rfc2822::DateTimePrinter};
use tokio::time::Instant;
use whipstitch_origin::Cause;
use whipstitch_signaling::headers::{self, Media};

use crate::{
    Body, Error,
    request::budget::Budget,
    sessions::counter_offer::Kinds,
    words::{
        body,
        error::{NodeFault, defect},
    },
};

/// Longest session description that is parsed, in bytes; FFmpeg takes 8 kB, browsers' have 10.
pub(super) const MAX_SDP: usize = 256 * 1024;
/// How long a counter-offer is good for: what the draft takes if nothing is said.
const VALID_SECONDS: i64 = 30;

/// The answer to a player's own offer, as the draft has it; and if it is a counter-offer, what that
/// offers.
///
/// # Errors
/// The node refused with a 406 that is no offer, or its body broke off, or did not come in time.
pub(super) async fn as_counter_offer(
    response: Response<Body>,
    budget: &mut Budget,
) -> Result<(Response<Body>, Option<Kinds>), Error> {
    let is_sdp = headers::media(response.headers()) == Some(Some(Media::Sdp));
    match response.status() {
        StatusCode::NOT_ACCEPTABLE if !is_sdp => Err(NodeFault::Playback.into()),
        status if is_sdp && (status.is_success() || status == StatusCode::NOT_ACCEPTABLE) => {
            let (mut parts, mut body) = response.into_parts();
            let (mut read, began) = (BytesMut::new(), Instant::now());
            let whole = budget.pay(body::read_up_to(MAX_SDP, &mut body, &mut read));
            let whole = whole
                .await
                .ok_or_else(|| NodeFault::Timeout(Cause::Timeout(began.elapsed())))?;
            let whole =
                whole.map_err(|error| NodeFault::Sdp(Cause::of(&error, began.elapsed())))?;
            let sdp = read.freeze();
            if !whole {
                // The session is there: what is too long to parse passes as it is.
                let body = body::resumed(sdp, body);
                return Ok((Response::from_parts(parts, body), None));
            }
            if status == StatusCode::NOT_ACCEPTABLE {
                // A servlet may have named the type before it failed.
                if !text(&sdp).starts_with(b"v=0") {
                    return Err(NodeFault::Playback.into());
                }
            } else if is_offer(&sdp) {
                parts.status = StatusCode::NOT_ACCEPTABLE;
                parts.headers.insert(CONTENT_TYPE, valid_until()?);
            }
            parts.headers.remove(CONTENT_LENGTH);
            let is_counter = parts.status == StatusCode::NOT_ACCEPTABLE;
            let kinds = is_counter.then(|| Kinds::of(&sdp));
            Ok((Response::from_parts(parts, body::full(sdp)), kinds))
        }
        _ => Ok((response, None)),
    }
}

/// Without the mark that some writers of UTF-8 begin with, and white space.
fn text(sdp: &[u8]) -> &[u8] {
    sdp.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(sdp)
        .trim_ascii_start()
}

/// Only an offer leaves the DTLS role open (RFC 5763 §5): an answer must not say `actpass`.
fn is_offer(sdp: &[u8]) -> bool {
    sdp.split(|byte| matches!(byte, b'\n' | b'\r'))
        .any(|line| line.trim_ascii_end() == b"a=setup:actpass")
}

fn valid_until() -> Result<HeaderValue, Error> {
    let end = Timestamp::now()
        .checked_add(VALID_SECONDS.seconds())
        .map_err(defect("the end of a counter-offer"))?;
    let date = DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&end)
        .map_err(defect("the end of a counter-offer"))?;
    HeaderValue::try_from(format!("application/sdp; valid-until=\"{date}\""))
        .map_err(defect("the media type of a counter-offer"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::words::problem::Kind;

    const OFFER: &str = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=setup:actpass\r\n";
    const ANSWER: &str =
        "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=setup:active\r\ns=a=setup:actpass x\r\n";

    fn answer(status: u16, media: &str, body: Body) -> Response<Body> {
        let response = Response::builder().status(status);
        let response = response.header("content-type", media);
        response.header("content-length", "7").body(body).unwrap()
    }

    async fn settled(response: Response<Body>) -> Result<(u16, String, Bytes), Kind> {
        let mut budget = Budget::new(Duration::from_secs(6), Duration::from_secs(2));
        let settled = as_counter_offer(response, &mut budget).await;
        let (settled, kinds) = settled.map_err(|error| Kind::of(&error))?;
        assert_eq!(kinds.is_some(), settled.status() == 406);
        let media = settled.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let status = settled.status().as_u16();
        Ok((
            status,
            media,
            settled.into_body().collect().await.unwrap().to_bytes(),
        ))
    }

    #[tokio::test]
    async fn an_offer_in_a_201_becomes_a_counter_offer_for_30_seconds() {
        let before = Timestamp::now();
        let (status, media, sdp) = settled(answer(201, "application/sdp", body::full(OFFER)))
            .await
            .unwrap();
        assert_eq!((status, &*sdp), (406, OFFER.as_bytes()));
        let date = media
            .strip_prefix("application/sdp; valid-until=\"")
            .and_then(|rest| rest.strip_suffix("\""))
            .unwrap();
        assert!(date.ends_with(" GMT"), "{date}");
        let until = jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(date)
            .unwrap();
        let seconds = until.as_second() - before.as_second();
        assert!((29..=31).contains(&seconds), "{date}");
    }

    #[tokio::test]
    async fn an_answer_and_a_real_counter_offer_stay_as_they_are() {
        let answered = settled(answer(201, "application/sdp", body::full(ANSWER)))
            .await
            .unwrap();
        assert_eq!(answered, (201, "application/sdp".into(), ANSWER.into()));
        let countered = settled(answer(406, "application/sdp", body::full(OFFER)))
            .await
            .unwrap();
        assert_eq!(countered, (406, "application/sdp".into(), OFFER.into()));
        let refused = settled(answer(409, "text/plain", body::full("no")))
            .await
            .unwrap();
        assert_eq!(refused, (409, "text/plain".into(), "no".into()));
    }

    #[tokio::test]
    async fn what_is_no_offer_is_never_taken_for_one() {
        let refused = answer(406, "text/plain", body::full("Playback failed."));
        assert_eq!(settled(refused).await, Err(Kind::NodeAnswer));
        for body in ["Playback failed.", ""] {
            let refused = answer(406, "application/sdp", body::full(body));
            assert_eq!(settled(refused).await, Err(Kind::NodeAnswer), "{body:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_long_to_look_into_goes_on_as_it_is() {
        let long = vec![b'x'; MAX_SDP + 1];
        let passed = settled(answer(201, "application/sdp", body::full(long.clone()))).await;
        assert_eq!(passed, Ok((201, "application/sdp".into(), long.into())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_does_not_go_on_is_cut() {
        let silent = StreamBody::new(stream::pending()).boxed_unsync();
        assert_eq!(
            settled(answer(201, "application/sdp", silent)).await,
            Err(Kind::NodeTimeout)
        );
    }
}
