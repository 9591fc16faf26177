//! Forward: WHIP and WHEP requests to a node, and its answers back.
//!
//! Bodies stream through untouched. Only one thing changes in an answer: the `Location` of a new session becomes a
//! sealed URL of ours.

use std::sync::Arc;

use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::LOCATION,
    uri::{PathAndQuery, Scheme},
};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use tracing::{debug, warn};
use whipstitch_origin::{Directory, Origin, Outcome};
use whipstitch_signaling::{
    headers::strip_hop_by_hop,
    rewrite,
    session::{Session, SessionKeys},
};

use crate::{
    Body, Error, Exchange, body,
    config::Timeouts,
    error::NodeFault,
    message::{Endpoint, ToNode},
    node_client::{self, Failed},
    resolving::{now, public_base},
};

/// Carries HTTP to nodes.
pub(crate) struct Forward {
    client: Client<HttpConnector, Body>,
    directory: Arc<dyn Directory>,
    keys: Arc<SessionKeys>,
    public_url: Option<String>,
    timeouts: Timeouts,
}

impl Forward {
    pub(crate) fn new(
        directory: Arc<dyn Directory>,
        keys: Arc<SessionKeys>,
        public_url: Option<String>,
        timeouts: Timeouts,
    ) -> Self {
        Self {
            client: node_client::client(timeouts.connect),
            directory,
            keys,
            public_url,
            timeouts,
        }
    }

    pub(crate) async fn send(&self, to: ToNode) -> Result<Response<Body>, Error> {
        let ToNode {
            origin,
            target,
            endpoint,
            request,
            exchange,
        } = to;
        let creates = request.method() == Method::POST;
        let answer = self.exchange(&origin, &target, request).await;
        match (verdict(&answer), &endpoint) {
            (Verdict::Gone, _) => self.directory.report(&origin, Outcome::Unreachable),
            (Verdict::NotHere, Some(endpoint)) => self.directory.forget(&endpoint.lookup),
            (Verdict::NotHere, None) | (Verdict::Holds, _) => {}
        }
        let mut response = answer?;
        strip_hop_by_hop(response.headers_mut());
        match endpoint {
            Some(endpoint) if creates => {
                self.name_session(&mut response, &origin, &target, &endpoint, &exchange)?;
            }
            _ if response.status().is_redirection() => return Err(NodeFault::Redirect.into()),
            _ => drop(response.headers_mut().remove(LOCATION)),
        }
        Ok(response)
    }

    async fn exchange(
        &self,
        origin: &Origin,
        target: &PathAndQuery,
        request: Request<Body>,
    ) -> Result<Response<Body>, Error> {
        let uri = node_uri(origin, target)?;
        match node_client::send(&self.client, request, uri, self.timeouts.answer).await {
            Ok(response) => Ok(response.map(body::incoming)),
            Err(Failed::Body(error)) => Err(error.into()),
            Err(Failed::Timeout) => Err(NodeFault::Timeout.into()),
            Err(Failed::Unreachable(error)) => {
                debug!(node = %origin, %error, "the node cannot be reached");
                Err(NodeFault::Unreachable.into())
            }
        }
    }

    /// Gives the client a sealed URL in place of the node's own.
    ///
    /// A `Location` counts with 201 and with the counter-offer 406 (draft-ietf-wish-whep); Red5's SDK makes do without
    /// one, so a 201 without it means the usual resource path.
    fn name_session(
        &self,
        response: &mut Response<Body>,
        origin: &Origin,
        target: &PathAndQuery,
        endpoint: &Endpoint,
        exchange: &Exchange,
    ) -> Result<(), Error> {
        let status = response.status();
        let location = response.headers_mut().remove(LOCATION);
        if status.is_redirection() {
            return Err(NodeFault::Redirect.into());
        }
        let location = match location {
            Some(location) if status.is_success() || status == StatusCode::NOT_ACCEPTABLE => {
                location
            }
            None if status == StatusCode::CREATED => HeaderValue::from_static(""),
            _ => return Ok(()),
        };
        let resource = location
            .to_str()
            .map_err(|_| rewrite::LocationError::Malformed)
            .and_then(|location| {
                rewrite::resource(origin.authority(), origin.named(), target, location)
            })
            .inspect_err(
                |error| warn!(id = exchange.id(), node = %origin, %error, "a session is lost"),
            )
            .map_err(NodeFault::Location)?;
        let url = self.session_url(origin, resource, endpoint, exchange)?;
        response.headers_mut().insert(
            LOCATION,
            HeaderValue::try_from(url).map_err(|_| Error::Internal)?,
        );
        Ok(())
    }

    fn session_url(
        &self,
        origin: &Origin,
        resource: PathAndQuery,
        endpoint: &Endpoint,
        exchange: &Exchange,
    ) -> Result<String, Error> {
        let (role, key) = (endpoint.lookup.role, &endpoint.lookup.key);
        let session = Session {
            node: origin.named(),
            resource,
            issued_at: now(),
        };
        let token = self.keys.seal(role, key, &session)?;
        let base = public_base(self.public_url.as_deref(), &endpoint.host, exchange);
        Ok(format!(
            "{base}/{}/{}/resource/{}/{token}",
            key.scope(),
            role.protocol(),
            key.name()
        ))
    }
}

/// What an answer says about the lookup that led to the node.
enum Verdict {
    /// It held.
    Holds,
    /// The node does not have the stream, or not the means for it.
    NotHere,
    /// The node cannot be reached.
    Gone,
}

fn verdict(answer: &Result<Response<Body>, Error>) -> Verdict {
    match answer {
        Err(Error::Node(_)) => Verdict::Gone,
        Ok(response)
            if response.status().is_server_error()
                || response.status() == StatusCode::NOT_FOUND =>
        {
            Verdict::NotHere
        }
        Ok(_) | Err(_) => Verdict::Holds,
    }
}

fn node_uri(origin: &Origin, target: &PathAndQuery) -> Result<Uri, Error> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(origin.authority().clone());
    parts.path_and_query = Some(target.clone());
    Uri::from_parts(parts).map_err(|_| Error::Internal)
}
