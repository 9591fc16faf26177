//! Protocol extensions: offered by a node, reached through us (RFC 9725 §4.9; draft-ietf-wish-whep,
//! core extensions).

use http::{
    HeaderValue, Request, Response, StatusCode,
    header::LOCATION,
    uri::{Authority, PathAndQuery},
};
use tracing::warn;
use whipstitch_origin::Origin;
use whipstitch_signaling::{
    Form, Role, StreamKey, extension::Extension, link::Link, rewrite, session::Session,
};

use super::{Asked, Forward, links, passed};
use crate::{
    Body, Error, Exchange,
    request::{
        budget::Budget,
        message::{Endpoint, Offered},
    },
    words::error::{NodeFault, defect},
};

/// Where a reference in an answer stands, and for whom it is sealed.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) origin: &'a Origin,
    /// The request target at the node.
    pub(super) base: &'a PathAndQuery,
    pub(super) role: Role,
    pub(super) key: &'a StreamKey,
    pub(super) form: Form,
    pub(super) host: &'a Authority,
    /// With what it is offered.
    pub(super) with: With<'a>,
    pub(super) exchange: &'a Exchange,
}

/// What an extension is offered with, and ends with.
#[derive(Clone, Copy)]
pub(super) enum With<'a> {
    /// Before there is a session.
    Nothing,
    /// A new session.
    Session(&'a Session),
    /// Another extension.
    Extension(&'a Extension),
}

impl<'a> Place<'a> {
    /// In the answer of an endpoint.
    pub(super) fn at(
        endpoint: &'a Endpoint,
        origin: &'a Origin,
        asked: &'a Asked,
        session: Option<&'a Session>,
    ) -> Self {
        Self {
            origin,
            base: &asked.target,
            role: endpoint.lookup.role,
            key: &endpoint.lookup.key,
            form: endpoint.form,
            host: &endpoint.host,
            with: session.map_or(With::Nothing, With::Session),
            exchange: &asked.exchange,
        }
    }

    /// Whether a session begins here.
    pub(super) fn begins(self) -> bool {
        matches!(self.with, With::Session(_))
    }

    /// `now` is in milliseconds since 1970.
    fn extension(self, target: PathAndQuery, now: u64) -> Extension {
        match self.with {
            With::Nothing => Extension {
                node: self.origin.named(),
                target,
                session: None,
                issued_at: now,
            },
            With::Session(session) => Extension::of(session, target),
            With::Extension(extension) => Extension {
                target,
                ..extension.clone()
            },
        }
    }
}

impl Forward {
    /// Carries a request to an extension, and its answer back: streamed, however long it takes.
    pub(super) async fn extend(
        &self,
        offered: &Offered,
        asked: Asked,
        request: Request<Body>,
        budget: &mut Budget,
    ) -> Result<Response<Body>, Error> {
        let failover = self.failover(&self.nodes, &asked.exchange);
        let mut response = failover
            .only(&offered.origin, request, budget)
            .await?
            .response;
        let status = response.status();
        // What the client has already (RFC 9110 §15.4.5) leads nowhere else.
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            return Err(NodeFault::Redirect.into());
        }
        links::taken(response.headers_mut(), &asked.exchange);
        let location = response.headers_mut().remove(LOCATION);
        if let Some(location) = location.filter(|_| status.is_success())
            && let Ok(target) = rewrite::made(&asked.target, &location).inspect_err(|error| {
                let (id, node) = (asked.exchange.id(), &offered.origin);
                warn!(id, %node, %error, "Location of what an extension made left out");
            })
        {
            let place = Place {
                origin: &offered.origin,
                base: &asked.target,
                role: offered.role,
                key: &offered.key,
                form: offered.form,
                host: &offered.host,
                with: With::Extension(&offered.extension),
                exchange: &asked.exchange,
            };
            if let Some(url) = self.extension_url(place, target)? {
                let url = HeaderValue::try_from(url).map_err(defect("an extension's Location"))?;
                response.headers_mut().insert(LOCATION, url);
            }
        }
        self.streams.pass(passed(response), &asked.exchange)
    }

    /// A node's link to an extension, with a URL of ours; `None` if it leads elsewhere, or cannot
    /// be kept.
    pub(super) fn sealed_link(&self, place: Place<'_>, link: &Link) -> Option<Link> {
        let (id, node) = (place.exchange.id(), place.origin);
        let this = rewrite::Node {
            dialled: node.authority(),
            address: node.named(),
            name: node.name(),
            ours: &self.public.names(place.host),
        };
        let target = rewrite::target(this, place.base, &link.target)
            .inspect_err(|error| warn!(id, %node, %error, "Link to an extension left out"))
            .ok()?;
        let target = self.extension_url(place, target).ok()??;
        let told = |(name, _): &&(String, String)| {
            // It names what the link is about, at the node (RFC 8288 §3.2).
            name != "anchor"
        };
        Some(Link {
            target,
            params: link.params.iter().filter(told).cloned().collect(),
        })
    }

    /// Our URL of this path at the node; `None` if it would be too long.
    fn extension_url(
        &self,
        place: Place<'_>,
        target: PathAndQuery,
    ) -> Result<Option<String>, Error> {
        let extension = place.extension(target, self.sessions.clock().now());
        if !extension.fits() {
            let (id, node) = (place.exchange.id(), place.origin);
            warn!(id, %node, "URL of an extension left out: too long");
            return Ok(None);
        }
        let keys = self.keys.borrow().clone();
        let token = keys.seal_extension(place.role, place.key, &extension)?;
        let base = self.public.base(place.host, place.exchange);
        let path = place.form.extension(place.role, place.key, &token);
        Ok(Some(format!("{base}{path}")))
    }
}
