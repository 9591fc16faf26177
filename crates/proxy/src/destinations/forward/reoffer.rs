//! A player that answers a counter-offer with an offer ([`crate::sessions::counter_offer`]).

use http::{HeaderValue, Request, header::AUTHORIZATION};
use http_body::Body as _;
use http_body_util::BodyExt;
use whipstitch_signaling::{
    Role,
    coding::{self, Coding},
};

use super::{Asked, Forward};
use crate::{
    Body, Error,
    request::message::Endpoint,
    sessions::{counter_offer::CounterOffer, create_request::CreateRequest},
    words::{body, error::BadRequest},
};

/// The player's offer, if it may be sent.
///
/// # Errors
/// The client does not understand the counter-offer that it got within the last ten seconds. That
/// session is ended, if it is that client's beyond doubt.
pub(super) async fn check(
    forward: &Forward,
    endpoint: &Endpoint,
    asked: &Asked,
    request: Request<Body>,
) -> Result<Request<Body>, Error> {
    let Some(counter) = unanswered(forward, endpoint, asked, &request) else {
        return Ok(request);
    };
    let (parts, body) = request.into_parts();
    // Its length and time are limited where it comes from.
    let offer = body.collect().await?.to_bytes();
    if !counter.is_met_with_less(&offer) {
        return Ok(Request::from_parts(parts, body::full(offer)));
    }
    if let Some(client) = &asked.client {
        forward.sessions.forget_counter_offer(client);
    }
    if counter.is_of_one_client() {
        let authorization = parts.headers.get(AUTHORIZATION).cloned();
        end_unused(forward, counter, asked, authorization);
    }
    Err(BadRequest::Counter.into())
}

fn end_unused(
    forward: &Forward,
    counter: CounterOffer,
    asked: &Asked,
    authorization: Option<HeaderValue>,
) {
    let Some(http) = counter.session.at_node() else {
        return;
    };
    let create = CreateRequest {
        origin: http.origin.clone(),
        target: asked.target.clone(),
        role: http.role,
        key: http.key.clone(),
        authorization,
        exchange: asked.exchange.clone(),
        since: forward.sessions.arrival(),
    };
    forward.orphans.unwanted(create, counter.session);
}

/// The counter-offer that this client got, if it comes with an offer and not with an answer.
fn unanswered(
    forward: &Forward,
    endpoint: &Endpoint,
    asked: &Asked,
    request: &Request<Body>,
) -> Option<CounterOffer> {
    // A compressed offer is for the node to read.
    if endpoint.lookup.role != Role::Play
        || request.body().is_end_stream()
        || coding::of(request.headers()) != Coding::None
    {
        return None;
    }
    let client = asked.client.as_ref()?;
    let connection = asked.exchange.own_connection();
    forward.sessions.unanswered(client, connection)
}
