//! The URL of a new session: sealed, in place of the node's own.

use http::{HeaderValue, Response, StatusCode, header::LOCATION, uri::PathAndQuery};
use tracing::warn;
use whipstitch_origin::Origin;
use whipstitch_signaling::{dialect::Dialect, rewrite, session::Session};

use super::{Forward, tags};
use crate::{
    Body, Error, Exchange,
    request::message::Endpoint,
    sessions::{
        abandoned::{Named, Unclaimed},
        known_sessions::Client,
        live::About,
    },
    words::error::{NodeFault, defect},
};

/// A session that a node has just made, and for whom.
pub(super) struct Made<'a> {
    pub(super) dialect: Dialect,
    pub(super) origin: &'a Origin,
    pub(super) target: &'a PathAndQuery,
    pub(super) endpoint: &'a Endpoint,
    pub(super) client: Option<Client>,
    pub(super) authorization: Option<&'a HeaderValue>,
    pub(super) exchange: &'a Exchange,
    /// Whether the node said 201, which is to be kept in mind when that became a counter-offer.
    pub(super) is_created: bool,
    /// Where the session is if the node does not say so in words that can be used.
    pub(super) usual: PathAndQuery,
    pub(super) unclaimed: Option<&'a mut Unclaimed>,
}

impl Forward {
    /// Gives the client a sealed URL in place of the node's own.
    ///
    /// By now the session is there, so nothing that the node says of it ends it: a `Location` that
    /// cannot be used counts as none.
    ///
    /// A `Location` counts with 201 and with the counter-offer 406 (draft-ietf-wish-whep); Red5's
    /// SDK makes do without one, so a 201 without it means the usual resource path. Returns the
    /// session, if there is one.
    pub(super) fn name_session(
        &self,
        response: &mut Response<Body>,
        made: Made<'_>,
    ) -> Result<Option<Session>, Error> {
        let status = response.status();
        let location = response.headers_mut().remove(LOCATION);
        if status.is_redirection() {
            return Err(NodeFault::Redirect.into());
        }
        let location = match location {
            Some(location) if status.is_success() || status == StatusCode::NOT_ACCEPTABLE => {
                location
            }
            None if made.is_created => HeaderValue::from_static(""),
            _ => return Ok(None),
        };
        let resource = rewrite::resource(made.target, &location).unwrap_or_else(|error| {
            let (id, node) = (made.exchange.id(), made.origin);
            warn!(id, %node, %error, "Location of a new session not usable: taking the path where Red5 keeps it");
            made.usual.clone()
        });
        let session = Session {
            node: made.origin.named(),
            resource,
            issued_at: self.clock.now(),
            tag: tags::of(response.headers(), made.dialect),
        };
        let role = made.endpoint.lookup.role;
        let client = made.dialect.client();
        let url = self.session_url(&session, made)?;
        self.metrics.session_made(role, client);
        tags::tell(response.headers_mut(), &session);
        response.headers_mut().insert(
            LOCATION,
            HeaderValue::try_from(url).map_err(defect("a session's Location"))?,
        );
        Ok(Some(session))
    }

    fn session_url(&self, session: &Session, made: Made<'_>) -> Result<String, Error> {
        let (role, key) = (made.endpoint.lookup.role, &made.endpoint.lookup.key);
        let keys = self.keys.borrow().clone();
        let token = keys.seal(role, key, session)?;
        self.newest.remember(role, session);
        if let Some(client) = made.client.clone() {
            self.known.remember(client, session);
        }
        let about =
            About::new(made.exchange, made.origin, key.scope()).authorized_by(made.authorization);
        self.live
            .began(role, about, made.origin.clone(), key, session);
        if let Some(unclaimed) = made.unclaimed {
            let client = made.client;
            let session = session.clone();
            unclaimed.named(Named { session, client });
        }
        let base = self.public.base(&made.endpoint.host, made.exchange);
        let path = made.endpoint.form.session(role, key, &token);
        Ok(format!("{base}{path}"))
    }
}
