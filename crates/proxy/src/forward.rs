//! Forward: WHIP and WHEP requests to a node, and its answers back.
//!
//! Bodies stream through untouched, but for the offer of a node to a player that takes it as a counter-offer only. What
//! changes in an answer: the `Location` of a new session becomes a sealed URL of ours, `Session-Host`, which names the
//! node, a sealed handle, `Link` is written as the client can read it, and a success has the status that it waits for.

mod links;
mod offer;
mod status;

use std::sync::Arc;

use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::LOCATION,
    uri::{PathAndQuery, Scheme},
};
use http_body::Body as _;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use tokio::sync::watch;
use tracing::warn;
use whipstitch_origin::{Directory, Origin};
use whipstitch_signaling::{
    Role,
    dialect::{Dialect, NodesOffer, Statuses},
    handle::Handle,
    headers::strip_hop_by_hop,
    ice::IceServers,
    rewrite,
    session::{Session, SessionKeys},
};

use crate::{
    Body, Error, Exchange, Metrics,
    body::{self, Patience},
    budget::Budget,
    config::Timeouts,
    error::NodeFault,
    failover::{Carrier, Failover},
    known_sessions::{Client, KnownSessions},
    message::{Endpoint, Goal, Known, ToNode},
    newest::Newest,
    node_client::{self, Failed, Turn},
    pins::Pins,
    resolving::{now, public_base},
};

/// The node's own address, which Red5's nodes name in it (Red5 Pro documentation, Stream Manager 2.0 proxy).
const SESSION_HOST: HeaderName = HeaderName::from_static("session-host");

/// Carries HTTP to nodes.
pub(crate) struct Forward {
    pub(crate) nodes: Nodes,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) keys: watch::Receiver<Arc<SessionKeys>>,
    pub(crate) known: Arc<KnownSessions>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) newest: Arc<Newest>,
    pub(crate) public_url: Option<String>,
    pub(crate) ice: IceServers,
    pub(crate) metrics: Metrics,
}

impl Forward {
    pub(crate) async fn send(&self, to: ToNode) -> Result<Response<Body>, Error> {
        let ToNode {
            goal,
            target,
            client,
            mut budget,
            mut request,
            exchange,
        } = to;
        let method = request.method().clone();
        let dialect = Dialect::of(request.headers(), target.query());
        let offers = !request.body().is_end_stream();
        *request.uri_mut() = Uri::from(target.clone());
        let failover = Failover {
            nodes: &self.nodes,
            directory: &*self.directory,
            metrics: &self.metrics,
            exchange: &exchange,
        };
        let mut handle = None;
        let mut response = match &goal {
            Goal::Endpoint(endpoint) => {
                let answer = failover.any(endpoint, request, &mut budget).await;
                if is_false_lead(&answer) {
                    self.directory.forget(&endpoint.lookup);
                }
                let (origin, mut response) = answer?;
                if method == Method::POST {
                    if endpoint.lookup.role == Role::Play
                        && offers
                        && dialect.nodes_offer() == NodesOffer::Counter
                    {
                        response = offer::as_counter_offer(response, &mut budget).await?;
                    }
                    if dialect.statuses() == Statuses::Exact {
                        status::make_exact(&method, &mut response);
                    }
                    let made = Made {
                        origin: &origin,
                        target: &target,
                        endpoint,
                        client,
                        exchange: &exchange,
                    };
                    let handle = self.handle(endpoint, &origin);
                    self.name_session(&mut response, made)?;
                    let mut response = passed(response);
                    if response.status() == StatusCode::CREATED {
                        response.headers_mut().extend(handle);
                    }
                    self.link(&mut response, dialect, &exchange);
                    return Ok(response);
                }
                if is_pinning(&method, response.status()) {
                    handle = self.handle(endpoint, &origin);
                }
                if let Some(client) = client.filter(|_| is_pinning(&method, response.status())) {
                    self.pins.remember(client, &origin, endpoint);
                }
                self.link(&mut response, dialect, &exchange);
                response
            }
            Goal::Session(known) => {
                let mut response = failover.only(&known.origin, request, &mut budget).await?;
                if method == Method::DELETE {
                    self.ended(known, client, response.status());
                }
                if dialect.statuses() == Statuses::Exact {
                    status::make_exact(&method, &mut response);
                }
                links::taken(response.headers_mut(), &exchange);
                response
            }
        };
        if response.status().is_redirection() {
            return Err(NodeFault::Redirect.into());
        }
        response.headers_mut().remove(LOCATION);
        let mut response = passed(response);
        response.headers_mut().extend(handle);
        Ok(response)
    }

    /// `Session-Host`, by which red5pro-webrtc-sdk 12.0.0 and later name the node in what they ask next.
    fn handle(&self, endpoint: &Endpoint, origin: &Origin) -> Option<(HeaderName, HeaderValue)> {
        let handle = Handle {
            node: origin.named(),
            issued_at: now(),
        };
        let (role, key) = (endpoint.lookup.role, &endpoint.lookup.key);
        let keys = self.keys.borrow().clone();
        let sealed = keys.seal_handle(role, key, handle).ok()?;
        Some((SESSION_HOST, HeaderValue::try_from(sealed).ok()?))
    }

    /// ICE servers go on what begins a session, and on an explicit question before it (RFC 9725 §4.6).
    fn link(&self, response: &mut Response<Body>, dialect: Dialect, exchange: &Exchange) {
        let status = response.status();
        let headers = response.headers_mut();
        if status.is_success()
            || (status == StatusCode::NOT_ACCEPTABLE && headers.contains_key(LOCATION))
        {
            links::rewrite(headers, &self.ice, dialect, exchange);
        } else {
            links::taken(headers, exchange);
        }
    }

    /// A DELETE that did what it says, or found nothing left to do.
    fn ended(&self, known: &Known, client: Option<Client>, status: StatusCode) {
        if !status.is_success() && status != StatusCode::NOT_FOUND {
            return;
        }
        if known.role == Role::Publish {
            self.directory.ended(&known.key);
        }
        if let Some(client) = client {
            self.known.forget(client, &known.session);
        }
    }

    /// Gives the client a sealed URL in place of the node's own.
    ///
    /// A `Location` counts with 201 and with the counter-offer 406 (draft-ietf-wish-whep); Red5's SDK makes do without
    /// one, so a 201 without it means the usual resource path.
    fn name_session(&self, response: &mut Response<Body>, made: Made<'_>) -> Result<(), Error> {
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
        let (id, node) = (made.exchange.id(), made.origin);
        let resource = location
            .to_str()
            .map_err(|_| rewrite::LocationError::Malformed)
            .and_then(|location| {
                let node = rewrite::Node {
                    dialled: node.authority(),
                    address: node.named(),
                    name: node.name(),
                };
                rewrite::resource(node, made.target, location)
            })
            .inspect_err(|error| warn!(id, %node, %error, "a session is lost"))
            .map_err(NodeFault::Location)?;
        let url = self.session_url(resource, made)?;
        response.headers_mut().insert(
            LOCATION,
            HeaderValue::try_from(url).map_err(|_| Error::Internal)?,
        );
        Ok(())
    }

    fn session_url(&self, resource: PathAndQuery, made: Made<'_>) -> Result<String, Error> {
        let (role, key) = (made.endpoint.lookup.role, &made.endpoint.lookup.key);
        let session = Session {
            node: made.origin.named(),
            resource,
            issued_at: now(),
        };
        let keys = self.keys.borrow().clone();
        let token = keys.seal(role, key, &session)?;
        if role == Role::Publish {
            self.newest.remember(&session);
        }
        if let Some(client) = made.client {
            self.known.remember(client, &session);
        }
        let base = public_base(
            self.public_url.as_deref(),
            &made.endpoint.host,
            made.exchange,
        );
        let path = made.endpoint.form.session(role, key, &token);
        Ok(format!("{base}{path}"))
    }
}

/// A session that a node has just made, and for whom.
struct Made<'a> {
    origin: &'a Origin,
    target: &'a PathAndQuery,
    endpoint: &'a Endpoint,
    client: Option<Client>,
    exchange: &'a Exchange,
}

/// The answer as it goes on to the client.
fn passed(mut response: Response<Body>) -> Response<Body> {
    strip_hop_by_hop(response.headers_mut());
    response.headers_mut().remove(SESSION_HOST);
    response
}

/// Whether an answer tells a client something of the node that its `POST` should find there.
fn is_pinning(method: &Method, status: StatusCode) -> bool {
    method == Method::OPTIONS && status.is_success()
}

/// Whether an answer says that the lookup which led to the node did not hold: the node does not have the stream, or not
/// the means for it.
fn is_false_lead(answer: &Result<(Origin, Response<Body>), Error>) -> bool {
    match answer {
        Ok((_, response)) => {
            response.status().is_server_error() || response.status() == StatusCode::NOT_FOUND
        }
        Err(error) => matches!(error, Error::Node(_)),
    }
}

/// The nodes, over pooled connections.
pub(crate) struct Nodes(legacy::Client<HttpConnector, Body>);

impl Nodes {
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        Self(node_client::client(timeouts.connect))
    }
}

impl Carrier for Nodes {
    async fn carry(
        &self,
        origin: &Origin,
        request: Request<Body>,
        budget: &mut Budget,
    ) -> Result<Response<Body>, Failed> {
        let Some(uri) = node_uri(origin, request.uri()) else {
            return Err(Failed::NotConnected);
        };
        let (turn, patience) = (Turn::default(), Patience::Whole(budget.left()));
        let answer = node_client::send(&self.0, request, uri, &turn, patience).await;
        budget.spend(turn.spent());
        answer.map(|response| response.map(body::incoming))
    }
}

fn node_uri(origin: &Origin, target: &Uri) -> Option<Uri> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(origin.authority().clone());
    parts.path_and_query = target.path_and_query().cloned();
    Uri::from_parts(parts).ok()
}
