//! Opens the session that a node's answer speaks of: the table gets it, and the client a sealed URL
//! in place of the node's own.

use http::{HeaderValue, Response, StatusCode, header::LOCATION, uri::PathAndQuery};
use tracing::warn;
use whipstitch_origin::Origin;
use whipstitch_signaling::{rewrite, session::Session};

use super::{Forward, RequestContext, tags};
use crate::{
    Body, Error,
    request::message::Endpoint,
    sessions::{
        counter_offer::Kinds,
        create::Unclaimed,
        view::{About, Http},
    },
    words::error::{NodeFault, defect},
};

/// An answer that may speak of a new session.
pub(super) struct Answered<'a> {
    pub(super) context: &'a RequestContext,
    pub(super) endpoint: &'a Endpoint,
    pub(super) origin: &'a Origin,
    pub(super) authorization: Option<&'a HeaderValue>,
    /// Whether the node answered 201, whatever that became since.
    pub(super) is_created: bool,
    /// What it offers, if it is a counter-offer.
    pub(super) counter: Option<Kinds>,
    /// Where the session is if the node does not say so in a usable way.
    pub(super) usual: PathAndQuery,
}

/// Opens the session, if the answer speaks of one. This is where it enters the table.
///
/// By now the node has made it, so nothing that the node says of it ends it: a `Location` that
/// cannot be used counts as none.
pub(super) fn open(
    forward: &Forward,
    response: &mut Response<Body>,
    answered: &Answered<'_>,
    guard: &mut Unclaimed,
) -> Result<Option<Session>, Error> {
    let Some(resource) = resource(response, answered)? else {
        return Ok(None);
    };
    let Answered {
        context,
        endpoint,
        origin,
        ..
    } = answered;
    let (role, key) = (endpoint.lookup.role, &endpoint.lookup.key);
    let session = Session {
        node: origin.named(),
        resource,
        issued_at: forward.sessions.issue(),
        tag: tags::of(response.headers(), context.dialect),
        owner: context.exchange.owner(),
    };
    let token = forward
        .urls
        .keys
        .borrow()
        .clone()
        .seal(role, key, &session)?;
    let about = About::new(&context.exchange, origin, key.scope());
    let http = Http {
        origin: (*origin).clone(),
        role,
        key: key.clone(),
        sealed: session.clone(),
        client: context.client.clone(),
    };
    let view = guard.open(about.authorized_by(answered.authorization), http);
    if let Some(kinds) = answered.counter {
        let connection = context.exchange.own_connection();
        forward.sessions.countered(&view, connection, kinds);
    }
    let client = context.dialect.client();
    forward.metrics.session_made(role, client);
    let base = forward.urls.public.base(&endpoint.host, &context.exchange);
    let url = format!("{base}{}", endpoint.form.session(role, key, &token));
    let url = HeaderValue::try_from(url).map_err(defect("a session's Location"))?;
    tags::tell(response.headers_mut(), &session);
    response.headers_mut().insert(LOCATION, url);
    Ok(Some(session))
}

/// Where at the node the new session is; `None` if the answer speaks of none.
///
/// A `Location` counts with 201 and with the counter-offer 406 (draft-ietf-wish-whep); Red5's SDK
/// makes do without one, so a 201 without it means the usual resource path.
fn resource(
    response: &mut Response<Body>,
    answered: &Answered<'_>,
) -> Result<Option<PathAndQuery>, NodeFault> {
    let status = response.status();
    let location = response.headers_mut().remove(LOCATION);
    if status.is_redirection() {
        return Err(NodeFault::Redirect);
    }
    let location = match location {
        Some(location) if status.is_success() || status == StatusCode::NOT_ACCEPTABLE => location,
        None if answered.is_created => HeaderValue::from_static(""),
        _ => return Ok(None),
    };
    let named = rewrite::resource(&answered.context.target, &location);
    Ok(Some(named.unwrap_or_else(|error| {
        let (id, node) = (answered.context.exchange.id(), answered.origin);
        warn!(
            id, %node, %error,
            "Location of a new session not usable: taking the path where Red5 keeps it"
        );
        answered.usual.clone()
    })))
}
