//! The exact status of a success. RFC 9725 §4.1 lets a client bind no meaning to a code; its clients do all the same.
//!
//! | success of | is | for |
//! |---|---|---|
//! | POST | 201 | OBS, MediaMTX, simple-whip-client, whip-go: no other (RFC 9725 §4.2) |
//! | DELETE | 200 | OBS warns of any other and keeps the URL; MediaMTX |
//! | PATCH without a body in the answer | 204 | MediaMTX; RFC 9725 §4.3.1, draft-ietf-wish-whep §4.2 |

use http::{
    Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Body as _;

use crate::Body;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body;

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
