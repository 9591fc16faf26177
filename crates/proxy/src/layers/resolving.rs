//! Resolving: which node. Whether client or manager names it, it has passed the gate of
//! [`AllowedOrigins`].

mod extension;
mod gate;
mod named;
mod pinned;

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, Uri, uri::PathAndQuery};
use tokio::{sync::watch, time::Instant};
use tower::{Layer, Service, ServiceExt};
use whipstitch_origin::{
    AllowedOrigins, ByNetwork, Candidates, Claim, Directory, Hints, Lookup, ManagerFault, Network,
    Origin, Purpose,
};
use whipstitch_signaling::{
    Api, Form, Role, StreamKey, query,
    route::node_endpoint,
    session::{Session, SessionKeys},
};

use self::named::{bare, without_host};
use crate::{
    Body, Bound, Error, Exchange, Routed,
    layers::authentication,
    request::{
        budget::Budget,
        client_key::ClientKey,
        clock::{SKEW, millis},
        message::{
            Ask, Endpoint, ForManager, ManagerAsk, Resource, SessionAtNode, Signaling, ToNode,
            ToSocket,
        },
        phases::Phase,
    },
    sessions::{SessionTable, Standing},
    words::error::{BadRequest, NoSession, defect},
};

/// Finds the node of a request with this resolver.
#[derive(Clone)]
pub(crate) struct ResolvingLayer {
    pub(crate) resolver: Arc<Resolver>,
}

impl<S> Layer<S> for ResolvingLayer {
    type Service = Resolving<S>;

    fn layer(&self, inner: S) -> Resolving<S> {
        let resolver = self.resolver.clone();
        Resolving { inner, resolver }
    }
}

/// The service of this layer.
#[derive(Clone)]
pub struct Resolving<S> {
    inner: S,
    resolver: Arc<Resolver>,
}

/// What is needed to find a node.
pub(crate) struct Resolver {
    pub(crate) api: Api,
    pub(crate) by_network: ByNetwork,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) allowed: Arc<AllowedOrigins>,
    pub(crate) keys: watch::Receiver<Arc<SessionKeys>>,
    pub(crate) sessions: SessionTable,
    /// How long a session URL is good for.
    pub(crate) lifetime: Duration,
    /// What one request may take of the manager's and the nodes' time.
    pub(crate) budget: Duration,
    /// What one connection to a node may take.
    pub(crate) connect: Duration,
}

impl<S> Service<Routed<Bytes>> for Resolving<S>
where
    S: Service<Bound, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Waited for after the lookup.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, routed: Routed<Bytes>) -> Self::Future {
        let (resolver, inner) = (self.resolver.clone(), self.inner.clone());
        match routed {
            Routed::Signaling(asked) => {
                Box::pin(async move { inner.oneshot(resolver.signaling(asked).await?).await })
            }
            Routed::Manager(ForManager {
                ask,
                request,
                exchange,
            }) => {
                let (names_nodes, target) = match ask {
                    ManagerAsk::Any { names_nodes } => (names_nodes, None),
                    ManagerAsk::Forward(target) => (false, Some(target)),
                };
                let bound = Bound::Manager {
                    request,
                    names_nodes,
                    exchange,
                };
                match target {
                    None => Box::pin(inner.oneshot(bound)),
                    Some(target) => Box::pin(async move {
                        let mut budget = Budget::new(resolver.budget, resolver.connect);
                        resolver.forwardable(&target, &mut budget).await?;
                        inner.oneshot(bound).await
                    }),
                }
            }
        }
    }
}

impl Resolver {
    async fn signaling(&self, asked: Signaling<Bytes>) -> Result<Bound, Error> {
        let Signaling {
            ask,
            request,
            host,
            exchange,
        } = asked;
        let mut budget = Budget::new(self.budget, self.connect);
        let to_node = |resource, target, client, budget, request, exchange| {
            Bound::Node(ToNode {
                resource,
                target,
                client,
                budget,
                request,
                exchange,
            })
        };
        match ask {
            Ask::Endpoint { role, key, form } => {
                let client = ClientKey::of(role, &key, &request, &exchange);
                let target = target(form, role, &key, request.uri())?;
                let query = request.uri().query();
                let mut lookup = self.lookup(role, key, query, &exchange)?;
                let told = if request.method() == Method::POST {
                    self.told(client.as_ref(), &mut lookup, query, &mut budget, &exchange)
                        .await?
                } else {
                    // On `OPTIONS` it is a key of 2.0 (Red5 Pro documentation, Stream Manager 2.0,
                    // WHIP/WHEP proxy), and of pages that have it among the connection parameters,
                    // which are all there since SDK 12.
                    let named = self.named(&lookup, query, &mut budget, &exchange);
                    named.await?.and_then(|node| Candidates::new(vec![node]))
                };
                let candidates = if let Some(nodes) = told {
                    nodes
                } else {
                    // An `OPTIONS` is a use too, since the node that it leads to is told to the
                    // client, for its `POST`. Were it none, all players that ask in the same moment
                    // would be led to one node.
                    let asked = self.locate(&lookup, Purpose::Session, &mut budget, &exchange);
                    asked.await?
                };
                let resource = Resource::Endpoint(Endpoint {
                    lookup,
                    candidates,
                    host,
                    form,
                });
                Ok(to_node(resource, target, client, budget, request, exchange))
            }
            Ask::Session { role, key, token } => {
                let session = match token {
                    Some(token) => {
                        let opened = self.keys.borrow().open(role, &key, &token);
                        opened.ok_or(NoSession::Unopened)?
                    }
                    None => {
                        self.only_of(role, &key, &request, &mut budget, &exchange)
                            .await?
                    }
                };
                authentication::is_owner(session.owner, &exchange)?;
                // It is the client's activity whatever the node answers.
                let standing = self.sessions.heard_of(role, &session);
                self.may_be_meant(standing, &session)?;
                let origin = self
                    .allowed
                    .admit(Claim::Session(session.node))
                    .await
                    .map_err(named::no_longer_allowed(&exchange))?;
                let target = with_query(session.resource.clone(), request.uri().query())?;
                let resource = Resource::Session(SessionAtNode {
                    origin,
                    role,
                    key,
                    session,
                });
                Ok(to_node(resource, target, None, budget, request, exchange))
            }
            Ask::Extension(url) => self.extension(url, host, budget, request, exchange).await,
            Ask::Socket(query) => {
                let nodes = self
                    .socket_to(&query.node, request.uri().query(), &mut budget, &exchange)
                    .await?;
                Ok(Bound::Socket(ToSocket {
                    nodes,
                    query,
                    budget,
                    request,
                    exchange,
                }))
            }
            Ask::ManagerSocket => Ok(Bound::ManagerSocket { request, exchange }),
        }
    }

    async fn locate(
        &self,
        lookup: &Lookup,
        purpose: Purpose,
        budget: &mut Budget,
        exchange: &Exchange,
    ) -> Result<Candidates, Error> {
        let asked = Instant::now();
        let candidates = budget
            .pay(self.directory.locate(lookup, exchange.asker(), purpose))
            .await;
        exchange.phases().lookup(Phase::since(asked));
        candidates
            .unwrap_or_else(|| Err(ManagerFault::Timeout(asked.elapsed()).into()))
            .map_err(|error| match lookup.role {
                Role::Publish => Error::Publish(error),
                Role::Play => Error::Play(error),
            })
    }

    /// The session that a client means by a URL without a token: its only one, or its only one at
    /// the node that it names.
    async fn only_of(
        &self,
        role: Role,
        key: &StreamKey,
        request: &Request<Bytes>,
        budget: &mut Budget,
        exchange: &Exchange,
    ) -> Result<Session, Error> {
        let client = ClientKey::of(role, key, request, exchange);
        let client = client.filter(|_| self.sessions.serves_by_client());
        let client = client.ok_or(NoSession::NoToken)?;
        let lookup = bare(role, key).of_network(self.network(exchange));
        let query = request.uri().query();
        let node = self.named(&lookup, query, budget, exchange).await?;
        let only = self
            .sessions
            .only_of(&client, node.as_ref().map(Origin::named));
        Ok(only.ok_or(NoSession::NoToken)?)
    }

    /// Whether a session whose token could be opened can still be meant.
    fn is_current(&self, role: Role, session: &Session) -> Result<(), NoSession> {
        self.may_be_meant(self.sessions.standing(role, session), session)
    }

    /// Whether a session of this standing can still be meant.
    fn may_be_meant(&self, standing: Standing, session: &Session) -> Result<(), NoSession> {
        match standing {
            Standing::Superseded => Err(NoSession::Superseded),
            Standing::Ended | Standing::Unknown if self.is_past(session.issued_at) => {
                Err(NoSession::Expired)
            }
            // The monotonic clock says how old an open one is, and the table judges by it.
            Standing::Open | Standing::Ended | Standing::Unknown => Ok(()),
        }
    }

    fn lookup(
        &self,
        role: Role,
        key: StreamKey,
        raw: Option<&str>,
        exchange: &Exchange,
    ) -> Result<Lookup, BadRequest> {
        let hints = Hints::from_query(raw.unwrap_or_default(), self.api)?;
        Ok(Lookup::new(role, key, hints).of_network(self.network(exchange)))
    }

    fn network(&self, exchange: &Exchange) -> Option<Network> {
        self.by_network.network(self.api, exchange.asker())
    }

    /// Whether a URL of that time is too old by the wall clock; that of the replica that made it
    /// may differ.
    fn is_past(&self, issued_at: u64) -> bool {
        let allowed = SKEW.min(self.lifetime / 10);
        let lasts = millis(self.lifetime.saturating_add(allowed));
        self.sessions.clock().now() > issued_at.saturating_add(lasts)
    }
}

/// Path and query of an endpoint at a node, whose URLs are those of 1.x whichever manager it
/// belongs to. The keys that are the proxy's stay here (Red5 Pro documentation, Stream Manager 2.0,
/// WHIP/WHEP proxy).
fn target(form: Form, role: Role, key: &StreamKey, uri: &Uri) -> Result<PathAndQuery, Error> {
    match form {
        Form::Classic => without_host(
            uri.path_and_query()
                .cloned()
                .unwrap_or(PathAndQuery::from_static("/")),
        ),
        Form::Guid => {
            let raw = uri.query().unwrap_or_default();
            let query = query::filter(raw, |key| !matches!(key, "host" | "nodeGroup"));
            let mark = if query.is_empty() { "" } else { "?" };
            PathAndQuery::try_from(format!("{}{mark}{query}", node_endpoint(role, key)))
                .map_err(defect("the URL of an endpoint at its node"))
        }
    }
}

/// The session's own target, with what the client added to its URL. What was sealed stands: a node
/// distinguishes players by `requestId`, and with another one a client would reach another
/// client's session. Where the node is, is known already.
fn with_query(resource: PathAndQuery, added: Option<&str>) -> Result<PathAndQuery, Error> {
    let own = resource.query().unwrap_or_default();
    let added = query::filter(added.unwrap_or_default(), |key| {
        // A container decodes keys, so `request%49d` is one, too.
        query::percent_decode(key).is_some_and(|key| {
            !matches!(key.as_str(), "host" | "requestId") && query::get(own, &key).is_none()
        })
    });
    if added.is_empty() {
        return Ok(resource);
    }
    let query = query::merge(own, &added);
    PathAndQuery::try_from(format!("{}?{query}", resource.path()))
        .map_err(defect("the URL of a session at its node"))
}

#[cfg(test)]
pub(super) mod tests;
