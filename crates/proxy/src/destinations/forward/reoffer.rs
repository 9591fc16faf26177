//! A player that answers a counter-offer with an offer ([`crate::sessions::counter_offer`]).

use bytes::Bytes;
use http::{HeaderValue, Request, header::AUTHORIZATION};
use whipstitch_signaling::{
    Role,
    coding::{self, Coding},
};

use super::{Asked, Forward};
use crate::{
    Error,
    request::message::Endpoint,
    sessions::{counter_offer::CounterOffer, create_request::CreateRequest},
    words::error::BadRequest,
};

/// Whether a player's offer may be sent.
///
/// # Errors
/// The client does not understand the counter-offer that it got within the last ten seconds. That
/// session is ended, if it is that client's beyond doubt.
pub(super) fn check(
    forward: &Forward,
    endpoint: &Endpoint,
    asked: &Asked,
    request: &Request<Bytes>,
) -> Result<(), Error> {
    let Some(counter) = unanswered(forward, endpoint, asked, request) else {
        return Ok(());
    };
    if !counter.is_met_with_less(request.body()) {
        return Ok(());
    }
    if let Some(client) = &asked.client {
        forward.sessions.forget_counter_offer(client);
    }
    if counter.is_of_one_client() {
        let authorization = request.headers().get(AUTHORIZATION).cloned();
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
    request: &Request<Bytes>,
) -> Option<CounterOffer> {
    // A compressed offer is for the node to read.
    if endpoint.lookup.role != Role::Play
        || request.body().is_empty()
        || coding::of(request.headers()) != Coding::None
    {
        return None;
    }
    let client = asked.client.as_ref()?;
    let connection = asked.exchange.own_connection();
    forward.sessions.unanswered(client, connection)
}
