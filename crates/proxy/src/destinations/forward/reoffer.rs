//! A player that answers a counter-offer with an offer ([`crate::sessions::counter_offer`]).

use bytes::Bytes;
use http::{HeaderValue, Request, header::AUTHORIZATION};
use whipstitch_signaling::{
    Role,
    coding::{self, Coding},
};

use super::{Forward, RequestContext};
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
    context: &RequestContext,
    request: &Request<Bytes>,
) -> Result<(), Error> {
    // A compressed offer is for the node to read.
    if endpoint.lookup.role != Role::Play || coding::of(request.headers()) != Coding::None {
        return Ok(());
    }
    let Some(client) = &context.client else {
        return Ok(());
    };
    let connection = context.exchange.own_connection();
    let refused = forward
        .sessions
        .take_refused(client, connection, request.body());
    let Some(counter) = refused else {
        return Ok(());
    };
    if counter.is_of_one_client() {
        let authorization = request.headers().get(AUTHORIZATION).cloned();
        end_unused(forward, counter, context, authorization);
    }
    Err(BadRequest::Counter.into())
}

fn end_unused(
    forward: &Forward,
    counter: CounterOffer,
    context: &RequestContext,
    authorization: Option<HeaderValue>,
) {
    let Some(http) = counter.session.at_node() else {
        return;
    };
    let create = CreateRequest {
        origin: http.origin.clone(),
        target: context.target.clone(),
        role: http.role,
        key: http.key.clone(),
        authorization,
        exchange: context.exchange.clone(),
        since: forward.sessions.arrival(),
    };
    forward.ends.orphans.unwanted(create, counter.session);
}
