//! Forward: WHIP and WHEP requests to a node, and its answers back.
//!
//! Answers stream through untouched, but for the offer of a node to a player that takes it as a
//! counter-offer only. What changes in an answer: the `Location` of a new session becomes a sealed
//! URL of ours, `Session-Host`, which names the node, a sealed handle, `Link` is written as the
//! client can read it, those to extensions with sealed URLs, and a success has the status that it
//! waits for.

mod answers;
mod deletion;
mod extensions;
mod link_context;
mod links;
mod nodes;
mod not_live;
mod offer;
mod open;
mod plain;
mod reoffer;
mod status;
mod streams;
mod tags;

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT_ENCODING, AUTHORIZATION, LOCATION},
    uri::PathAndQuery,
};
use tokio::sync::watch;
use whipstitch_origin::{Directory, Origin};
use whipstitch_signaling::{
    Role,
    coding::IDENTITY,
    dialect::{Dialect, NodesOffer, Statuses},
    handle::Handle,
    ice::IceServers,
    rewrite,
    session::{Session, SessionKeys},
    socket::{SocketQueryError, Why},
};

use self::{
    answers::{is_false_lead, is_pinning, passed, unmoved},
    link_context::LinkContext,
    nodes::Creating,
    open::Answered,
};
pub(crate) use self::{deletion::Deletions, streams::EventStreams};
use crate::{
    Body, Error, Exchange, Metrics,
    destinations::public_url::Public,
    nodes::{
        failover::{Failover, NodeAnswer, SendToNode},
        node_client::NodeClient,
    },
    request::{
        budget::Budget,
        client_key::ClientKey,
        message::{Endpoint, Resource, SessionAtNode, ToNode},
    },
    sessions::{SessionTable, Terminator, counter_offer::Kinds, reaper::Orphans},
    words::{
        config::NotLiveStatus, end_reason::EndReason, error::BadRequest, node_status::is_gone,
    },
};

/// The node's own address, which Red5's nodes name in it (Red5 Pro documentation, Stream Manager
/// 2.0 proxy).
const SESSION_HOST: HeaderName = HeaderName::from_static("session-host");

/// Carries HTTP to nodes.
pub(crate) struct Forward {
    pub(crate) nodes: NodeClient,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) sessions: SessionTable,
    pub(crate) ends: SessionEnds,
    pub(crate) urls: OwnUrls,
    pub(crate) answers: AnswerSettings,
    pub(crate) streams: EventStreams,
    pub(crate) metrics: Metrics,
}

/// How a session at a node ends: for its client, which may have hung up, or for no client.
pub(crate) struct SessionEnds {
    pub(crate) terminator: Terminator,
    pub(crate) deletions: Deletions,
    pub(crate) orphans: Orphans,
}

/// What is written into answers in place of a node's URLs, or beside them.
pub(crate) struct OwnUrls {
    pub(crate) keys: watch::Receiver<Arc<SessionKeys>>,
    pub(crate) public: Public,
    pub(crate) ice: watch::Receiver<Arc<IceServers>>,
}

/// What the operator has set about answers.
pub(crate) struct AnswerSettings {
    pub(crate) not_live: NotLiveStatus,
    pub(crate) strict_etags: bool,
}

impl Forward {
    /// Sends it. A client's `DELETE` is carried to its end, whether its client waits or not.
    pub(crate) async fn send(self: Arc<Self>, to: ToNode) -> Result<Response<Body>, Error> {
        if matches!(to.resource, Resource::Session(_)) && to.request.method() == Method::DELETE {
            let this = self.clone();
            let delete = Box::pin(async move { this.carry(to).await });
            return self.ends.deletions.carry(delete).await;
        }
        self.carry(to).await
    }

    async fn carry(&self, to: ToNode) -> Result<Response<Body>, Error> {
        let ToNode {
            resource,
            target,
            client,
            mut budget,
            mut request,
            exchange,
        } = to;
        *request.uri_mut() = Uri::from(target.clone());
        if !matches!(resource, Resource::Extension(_)) {
            // What is read on the way has to be readable.
            request.headers_mut().insert(ACCEPT_ENCODING, IDENTITY);
        }
        let context = RequestContext {
            dialect: Dialect::of(request.headers(), target.query()),
            target,
            client,
            exchange,
        };
        match resource {
            Resource::Endpoint(endpoint) if request.method() == Method::POST => {
                self.create(&endpoint, context, request, &mut budget).await
            }
            Resource::Endpoint(endpoint) => {
                self.options(&endpoint, context, request, &mut budget).await
            }
            Resource::Session(known) => self.relay(&known, context, request, &mut budget).await,
            Resource::Extension(offered) => {
                self.extend(&offered, context, request, &mut budget).await
            }
        }
    }

    /// Asks a node about sessions to come.
    async fn options(
        &self,
        endpoint: &Endpoint,
        context: RequestContext,
        request: Request<Bytes>,
        budget: &mut Budget,
    ) -> Result<Response<Body>, Error> {
        let method = request.method().clone();
        let asking = self.any(&self.nodes, endpoint, &context.exchange, request, budget);
        let NodeAnswer {
            origin,
            mut response,
            guard: (),
        } = asking.await?;
        let mut handle = None;
        if is_pinning(&method, response.status()) {
            handle = self.handle(endpoint, &origin);
            if let Some(client) = context.client.clone() {
                let affinity = self.sessions.affinity();
                affinity.remember(client, &origin, endpoint);
            }
        }
        let place = LinkContext::at(endpoint, &origin, &context, None);
        self.link(&mut response, context.dialect, place);
        let mut response = unmoved(response)?;
        response.headers_mut().extend(handle);
        Ok(response)
    }

    /// Creates a session.
    async fn create(
        &self,
        endpoint: &Endpoint,
        context: RequestContext,
        request: Request<Bytes>,
        budget: &mut Budget,
    ) -> Result<Response<Body>, Error> {
        // Before there is a session: where it will be has to fit a URL.
        let usual = rewrite::usual(&context.target).map_err(|_| too_long())?;
        reoffer::check(self, endpoint, &context, &request)?;
        let creating = Creating {
            nodes: &self.nodes,
            sessions: &self.sessions,
            orphans: &self.ends.orphans,
            endpoint,
            context: &context,
            authorization: request.headers().get(AUTHORIZATION).cloned(),
            since: self.sessions.arrival(),
        };
        // The orphan guard is inside the answer: an early return from here on orphans the session.
        let sent = self.any(&creating, endpoint, &context.exchange, request, budget);
        let NodeAnswer {
            origin,
            response,
            mut guard,
        } = sent.await?;
        let is_created = response.status() == StatusCode::CREATED;
        if is_created && endpoint.lookup.role == Role::Publish {
            self.directory.published(&endpoint.lookup.key);
        }
        let (mut response, counter) = self.negotiate(response, endpoint, &context, budget).await?;
        let answered = Answered {
            context: &context,
            endpoint,
            origin: &origin,
            authorization: creating.authorization.as_ref(),
            is_created,
            counter,
            usual,
        };
        let session = open::open(self, &mut response, &answered, &mut guard)?;
        let response = self.render(response, session.as_ref(), &answered);
        Ok(guard.within(response))
    }

    /// Makes a node's answer to a `POST` one that its client understands; and if it is a
    /// counter-offer, what that offers.
    async fn negotiate(
        &self,
        response: Response<Body>,
        endpoint: &Endpoint,
        context: &RequestContext,
        budget: &mut Budget,
    ) -> Result<(Response<Body>, Option<Kinds>), Error> {
        let (dialect, is_play) = (context.dialect, endpoint.lookup.role == Role::Play);
        let mut response = plain::described(response, budget).await?;
        let mut counter = None;
        // What came, not what was announced: a body without a length may turn out to be none.
        let offers = context.exchange.record().received.load(Ordering::Relaxed) > 0;
        if is_play && offers && dialect.nodes_offer() == NodesOffer::Counter {
            (response, counter) = offer::as_counter_offer(response, budget).await?;
        }
        if dialect.statuses() == Statuses::Exact {
            status::make_exact(&Method::POST, &mut response);
        }
        if is_play {
            not_live::settle(&mut response, self.answers.not_live);
        }
        Ok((response, counter))
    }

    /// The answer to a `POST` as the client gets it: without what is a hop's, with our handle and
    /// the links that the client can read.
    fn render(
        &self,
        response: Response<Body>,
        session: Option<&Session>,
        answered: &Answered<'_>,
    ) -> Response<Body> {
        let Answered {
            context,
            endpoint,
            origin,
            ..
        } = answered;
        let mut response = passed(response);
        if response.status() == StatusCode::CREATED {
            let handle = self.handle(endpoint, origin);
            response.headers_mut().extend(handle);
        }
        let place = LinkContext::at(endpoint, origin, context, session);
        self.link(&mut response, context.dialect, place);
        response
    }

    /// Carries a `PATCH` or `DELETE` to the session's node.
    async fn relay(
        &self,
        known: &SessionAtNode,
        context: RequestContext,
        mut request: Request<Bytes>,
        budget: &mut Budget,
    ) -> Result<Response<Body>, Error> {
        let method = request.method().clone();
        let SessionAtNode {
            role, key, session, ..
        } = known;
        let trickles = tags::before(&mut request, session, self.answers.strict_etags)
            .map_err(BadRequest::from)?;
        let mut in_flight = None;
        if method == Method::DELETE {
            let pass = self.ends.terminator.pass(*role, session, budget);
            in_flight = Some(pass.await?);
        }
        let failover = self.failover(&self.nodes, &context.exchange);
        let answer = failover.only(&known.origin, request, budget).await?;
        let mut response = answer.response;
        if method == Method::PATCH {
            response = plain::described(response, budget).await?;
            response = status::begun(response, budget).await?;
        }
        if trickles {
            let now = self.sessions.clock().now();
            response = tags::after(response, session, &context.exchange, now);
        }
        if method == Method::DELETE {
            let status = response.status();
            self.ends.terminator.answered(*role, key, session, status);
        } else if is_gone(response.status()) {
            self.sessions.lose(*role, session, EndReason::Gone);
        } else if method == Method::PATCH && response.status().is_success() {
            self.sessions.reopen(*role, session);
        }
        drop(in_flight);
        if context.dialect.statuses() == Statuses::Exact {
            status::make_exact(&method, &mut response);
        }
        links::taken(response.headers_mut(), &context.exchange);
        unmoved(response)
    }

    /// Asks nodes until one can serve.
    async fn any<C: SendToNode>(
        &self,
        nodes: &C,
        endpoint: &Endpoint,
        exchange: &Exchange,
        request: Request<Bytes>,
        budget: &mut Budget,
    ) -> Result<NodeAnswer<C::Guard>, Error> {
        let failover = self.failover(nodes, exchange);
        let answer = failover
            .any(&endpoint.lookup, &endpoint.candidates, request, budget)
            .await;
        if is_false_lead(&answer) {
            self.directory.forget(&endpoint.lookup);
        }
        answer
    }

    fn failover<'a, C>(&'a self, nodes: &'a C, exchange: &'a Exchange) -> Failover<'a, C> {
        Failover {
            nodes,
            directory: &*self.directory,
            metrics: &self.metrics,
            exchange,
        }
    }

    /// `Session-Host`: red5pro-webrtc-sdk 12.0.0 and later name the node so in their next request.
    fn handle(&self, endpoint: &Endpoint, origin: &Origin) -> Option<(HeaderName, HeaderValue)> {
        let handle = Handle {
            node: origin.named(),
            issued_at: self.sessions.clock().now(),
        };
        let (role, key) = (endpoint.lookup.role, &endpoint.lookup.key);
        let keys = self.urls.keys.borrow().clone();
        let sealed = keys.seal_handle(role, key, handle).ok()?;
        let mut sealed = HeaderValue::try_from(sealed).ok()?;
        // As each is another one, HPACK shall not keep it (RFC 7541 §7.1.3).
        sealed.set_sensitive(true);
        Some((SESSION_HOST, sealed))
    }

    /// ICE servers are on answers that begin a session, and on an explicit `OPTIONS` before it
    /// (RFC 9725 §4.6).
    fn link(&self, response: &mut Response<Body>, dialect: Dialect, place: LinkContext<'_>) {
        let status = response.status();
        let headers = response.headers_mut();
        if status.is_success()
            || (status == StatusCode::NOT_ACCEPTABLE && headers.contains_key(LOCATION))
        {
            self.rewrite_links(headers, dialect, place);
        } else {
            links::taken(headers, place.exchange);
        }
    }
}

/// What every kind of request to a node needs, its message and its resource aside.
struct RequestContext {
    dialect: Dialect,
    target: PathAndQuery,
    client: Option<ClientKey>,
    exchange: Exchange,
}

/// A `requestId` so long that the session's URL would be.
fn too_long() -> BadRequest {
    BadRequest::from(SocketQueryError {
        key: "requestId",
        why: Why::TooLong,
    })
}
