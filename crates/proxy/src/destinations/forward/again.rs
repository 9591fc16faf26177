//! A player that answers a counter-offer with an offer.

use std::net::SocketAddr;

use http::{HeaderValue, Request, header::AUTHORIZATION};
use http_body::Body as _;
use http_body_util::BodyExt;
use whipstitch_origin::Origin;
use whipstitch_signaling::{
    Role,
    coding::{self, Coding},
    session::Session,
};

use super::{Asked, Forward};
use crate::{
    Body, Error, Exchange,
    request::message::Endpoint,
    sessions::{
        abandoned::Named,
        countered::{Counter, Kinds},
        creation::Creation,
    },
    words::{body, error::BadRequest},
};

impl Forward {
    /// The player's offer, if it may go on.
    ///
    /// # Errors
    /// The client does not understand the counter-offer that it got a moment ago. That session is
    /// ended, if it is beyond doubt that client's.
    pub(super) async fn not_again(
        &self,
        endpoint: &Endpoint,
        asked: &Asked,
        request: Request<Body>,
    ) -> Result<Request<Body>, Error> {
        let Some(counter) = self.unanswered(endpoint, asked, &request) else {
            return Ok(request);
        };
        let (parts, body) = request.into_parts();
        // Its length and time are limited where it comes from.
        let offer = body.collect().await?.to_bytes();
        if !counter.is_met_with_less(&offer) {
            return Ok(Request::from_parts(parts, body::full(offer)));
        }
        if let Some(client) = &asked.client {
            self.countered.forget(client);
        }
        if counter.is_of_one() {
            let authorization = parts.headers.get(AUTHORIZATION).cloned();
            self.end_unused(counter, endpoint, asked, authorization);
        }
        Err(BadRequest::Counter.into())
    }

    fn end_unused(
        &self,
        counter: Counter,
        endpoint: &Endpoint,
        asked: &Asked,
        authorization: Option<HeaderValue>,
    ) {
        let creation = Creation {
            origin: counter.origin,
            target: asked.target.clone(),
            role: endpoint.lookup.role,
            key: endpoint.lookup.key.clone(),
            authorization,
            exchange: asked.exchange.clone(),
            since: self.newest.moment(),
            under_way: None,
        };
        let named = Named {
            session: counter.session,
            client: asked.client.clone(),
        };
        self.abandoned.unwanted(creation, named);
    }

    /// The counter-offer that this client got, if it comes with an offer and not with an answer.
    fn unanswered(
        &self,
        endpoint: &Endpoint,
        asked: &Asked,
        request: &Request<Body>,
    ) -> Option<Counter> {
        // What is compressed is for the node to read.
        if endpoint.lookup.role != Role::Play
            || request.body().is_end_stream()
            || coding::of(request.headers()) != Coding::None
        {
            return None;
        }
        let client = asked.client.as_ref()?;
        self.countered
            .unanswered(client, connection(&asked.exchange), &self.live)
    }

    /// Remembers that a client got a counter-offer, if it can be told from others.
    pub(super) fn has_countered(
        &self,
        asked: &Asked,
        origin: &Origin,
        session: Option<&Session>,
        kinds: Option<Kinds>,
    ) {
        if let (Some(session), Some(kinds), Some(client)) = (session, kinds, asked.client.clone()) {
            let connection = connection(&asked.exchange);
            self.countered
                .remember(client, connection, (origin, session), kinds);
        }
    }
}

/// The client's own; through a forwarder each request may come over another.
fn connection(exchange: &Exchange) -> Option<SocketAddr> {
    let peer = exchange.record().peer.as_ref();
    peer.filter(|_| exchange.forwarder().is_none())
        .map(|peer| peer.addr)
}
