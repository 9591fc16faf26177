//! A node that does not have the stream of a player answers 409 (Red5 Pro documentation, WHIP/WHEP
//! configuration). So does this proxy, from a lookup; both are one thing to a player, with the
//! status that is configured and the `Retry-After` that it counts from (draft-ietf-wish-whep §4.2).

use http::{Response, StatusCode, header::RETRY_AFTER};

use crate::{
    Body,
    words::{config::NotLiveStatus, problem},
};

/// Gives the answer to a player's `POST` the configured status if it says that the stream is not
/// live.
pub(super) fn settle(response: &mut Response<Body>, status: NotLiveStatus) {
    if response.status() == StatusCode::CONFLICT {
        *response.status_mut() = status.status();
        let headers = response.headers_mut();
        headers.entry(RETRY_AFTER).or_insert(problem::RETRY_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::body;

    fn settled(status: u16, retry_after: Option<&str>, configured: NotLiveStatus) -> (u16, String) {
        let mut response = Response::builder().status(status);
        if let Some(seconds) = retry_after {
            response = response.header(RETRY_AFTER, seconds);
        }
        let mut response = response.body(body::empty()).unwrap();
        settle(&mut response, configured);
        let seconds = response.headers().get(RETRY_AFTER);
        let seconds = seconds.map_or("", |seconds| seconds.to_str().unwrap());
        (response.status().as_u16(), seconds.to_owned())
    }

    #[test]
    fn a_409_is_not_live_and_nothing_else_is() {
        use NotLiveStatus::{Conflict, NotFound};
        assert_eq!(settled(409, None, Conflict), (409, "2".into()));
        assert_eq!(settled(409, None, NotFound), (404, "2".into()));
        assert_eq!(settled(409, Some("7"), Conflict), (409, "7".into()));
        for other in [201, 400, 401, 404, 406, 500] {
            assert_eq!(settled(other, None, NotFound), (other, String::new()));
        }
    }
}
