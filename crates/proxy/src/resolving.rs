//! Resolving: which node. Whoever names it, it has passed the gate of [`AllowedOrigins`].

mod named;
mod pinned;

use std::{
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use http::{
    Method, Response, Uri,
    uri::{Authority, PathAndQuery},
};
use tokio::{sync::watch, time::Instant};
use tower::Service;
use tracing::debug;
use whipstitch_origin::{
    AllowedOrigins, Candidates, Claim, Directory, Hints, Lookup, LookupError, ManagerFault, Origin,
    Purpose, Refusal,
};
use whipstitch_signaling::{
    Role, StreamKey, query,
    session::{Session, SessionKeys},
};

use self::named::{bare, without_host};
use crate::{
    Body, Bound, Error, Exchange, Routed,
    budget::Budget,
    error::{BadRequest, Denied},
    known_sessions::{Client, KnownSessions},
    message::{Ask, Endpoint, Goal, Known, ToNode, ToSocket},
    newest::Newest,
    pins::Pins,
};

/// The layer's service.
#[derive(Clone)]
pub struct Resolving<S> {
    inner: S,
    resolver: Arc<Resolver>,
}

/// What is needed to find a node.
pub(crate) struct Resolver {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) allowed: Arc<AllowedOrigins>,
    pub(crate) keys: watch::Receiver<Arc<SessionKeys>>,
    pub(crate) known: Arc<KnownSessions>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) newest: Arc<Newest>,
    /// How long a session URL is good for.
    pub(crate) lifetime: Duration,
    /// What one request may take of the manager's and the nodes' time.
    pub(crate) budget: Duration,
    /// What one connection to a node may take.
    pub(crate) connect: Duration,
}

impl<S> Resolving<S> {
    pub(crate) fn new(inner: S, resolver: Arc<Resolver>) -> Self {
        Self { inner, resolver }
    }
}

impl<S> Service<Routed> for Resolving<S>
where
    S: Service<Bound, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, routed: Routed) -> Self::Future {
        let resolver = self.resolver.clone();
        // The one that was polled ready goes with the request (tower's `Service`, "be careful when cloning").
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let bound = resolver.resolve(routed).await?;
            inner.call(bound).await
        })
    }
}

impl Resolver {
    async fn resolve(&self, routed: Routed) -> Result<Bound, Error> {
        let Routed {
            ask,
            request,
            host,
            exchange,
        } = routed;
        let mut budget = Budget::new(self.budget, self.connect);
        let to_node = |goal, target, client, budget, request, exchange| {
            Bound::Node(ToNode {
                goal,
                target,
                client,
                budget,
                request,
                exchange,
            })
        };
        match ask {
            Ask::Endpoint { role, key } => {
                let client = self.known.client(role, &key, &request, &exchange);
                let mut lookup = lookup(role, key, request.uri())?;
                // An `OPTIONS` is a use too, since the node that it leads to is told to the client, for its `POST`. Were it
                // none, all players that ask in the same moment would be led to one node.
                let purpose = Purpose::Session;
                let told = match *request.method() {
                    Method::POST => {
                        let query = request.uri().query();
                        self.told(client.as_ref(), &mut lookup, query, &mut budget, &exchange)
                            .await?
                    }
                    _ => None,
                };
                let candidates = if let Some(nodes) = told {
                    nodes
                } else {
                    let asked = self.locate(&lookup, purpose, &mut budget, &exchange);
                    asked.await?
                };
                let target = without_host(target(request.uri()))?;
                let goal = Goal::Endpoint(Endpoint {
                    lookup,
                    purpose,
                    candidates,
                    host,
                });
                Ok(to_node(goal, target, client, budget, request, exchange))
            }
            Ask::Session { role, key, token } => {
                let client = self.known.client(role, &key, &request, &exchange);
                // A token says where. Without one, what the client says of the node tells its sessions apart.
                let mut node = None;
                if token.is_none() {
                    let (lookup, query) = (bare(role, &key), request.uri().query());
                    let named = self.named(&lookup, query, &mut budget, &exchange);
                    node = named.await?;
                }
                let session = self
                    .session(role, &key, token.as_deref(), client.as_ref(), node.as_ref())
                    .ok_or(Error::UnknownSession)?;
                let origin = self
                    .allowed
                    .admit(Claim::Session(session.node))
                    .await
                    .map_err(|_| Error::from(Denied::Node))?;
                let target = with_query(session.resource.clone(), request.uri().query())?;
                let goal = Goal::Session(Known {
                    origin,
                    role,
                    key,
                    session,
                });
                Ok(to_node(goal, target, client, budget, request, exchange))
            }
            Ask::Socket(query) => {
                let claim = Claim::Client {
                    host: &query.host,
                    private: query.private,
                };
                // Hints that are none are no reason to refuse a node that may be dialled.
                let lookup = query
                    .stream
                    .clone()
                    .and_then(|key| lookup(Role::Publish, key, request.uri()).ok());
                let origin = self
                    .admit(claim, lookup.as_ref(), &mut budget, &exchange)
                    .await?;
                Ok(Bound::Socket(ToSocket {
                    origin,
                    query,
                    budget,
                    request,
                    exchange,
                }))
            }
            Ask::Manager { names_nodes } => Ok(Bound::Manager {
                request,
                names_nodes,
            }),
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
        let candidates = budget.pay(self.directory.locate(lookup, purpose)).await;
        exchange.looked_up(asked.elapsed());
        candidates
            .unwrap_or(Err(LookupError::Manager(ManagerFault::Timeout)))
            .map_err(|error| match lookup.role {
                Role::Publish => Error::Publish(error),
                Role::Play => Error::Play(error),
            })
    }

    /// The session that a URL means, if it is one that can still be meant.
    fn session(
        &self,
        role: Role,
        key: &StreamKey,
        token: Option<&str>,
        client: Option<&Client>,
        node: Option<&Origin>,
    ) -> Option<Session> {
        let session = match token {
            Some(token) => self.keys.borrow().open(role, key, token),
            None => self.known.recall(client?, node.map(Origin::named)),
        }?;
        let is_over = self.is_over(session.issued_at) || self.newest.has_newer(&session);
        (!is_over).then_some(session)
    }

    /// The node that a client named. One that the manager has not named lately may still be one that it names for the
    /// client's own stream, so it is asked. That is done for every address that is refused, so that neither the answer
    /// nor the time it takes tells one refusal from another.
    async fn admit(
        &self,
        claim: Claim<'_>,
        lookup: Option<&Lookup>,
        budget: &mut Budget,
        exchange: &Exchange,
    ) -> Result<Origin, Error> {
        let refusal = match self.gate(claim, budget).await {
            Err(refusal @ Error::Denied(_)) => refusal,
            decided => return decided,
        };
        let Some(lookup) = lookup else {
            return Err(refusal);
        };
        let vouched = self.vouch(lookup, budget, exchange).await;
        if let Claim::Client { host, .. } = claim
            && vouched.is_some_and(|nodes| nodes.iter().any(|node| is_called(node, host)))
        {
            // A remembered answer has told the gate long ago, and the gate may have forgotten.
            let _ = self.allowed.hear(host);
        }
        self.gate(claim, budget).await
    }

    /// The gate may have to resolve a name.
    async fn gate(&self, claim: Claim<'_>, budget: &mut Budget) -> Result<Origin, Error> {
        match budget.pay(self.allowed.admit(claim)).await {
            Some(decided) => decided.map_err(refused),
            None => Err(Denied::Node.into()),
        }
    }

    /// Lets the manager name the nodes of a client's stream to the gate. Whoever guesses hears nothing of what it said.
    async fn vouch(
        &self,
        lookup: &Lookup,
        budget: &mut Budget,
        exchange: &Exchange,
    ) -> Option<Candidates> {
        let query = query::merge(ALL_ENDPOINTS, lookup.hints.as_str());
        let hints = Hints::from_query(&query).ok()?;
        let lookup = Lookup {
            hints,
            ..lookup.clone()
        };
        let vouched = self
            .locate(&lookup, Purpose::Inquiry, budget, exchange)
            .await;
        vouched
            .inspect_err(
                |error| debug!(id = exchange.id(), %error, "nobody vouches for an address"),
            )
            .ok()
    }

    fn is_over(&self, issued_at: u64) -> bool {
        let lifetime = u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX);
        now() > issued_at.saturating_add(lifetime)
    }
}

/// Whether a node was named in this way: by this name, or by this address.
fn is_called(node: &Origin, host: &str) -> bool {
    match node.name() {
        Some(name) => name.eq_ignore_ascii_case(host),
        None => host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical() == node.named()),
    }
}

/// Asks for all nodes that can take a stream, and not for one of them.
const ALL_ENDPOINTS: &str = "endpoints=16";

fn lookup(role: Role, key: StreamKey, uri: &Uri) -> Result<Lookup, BadRequest> {
    let hints = Hints::from_query(uri.query().unwrap_or_default())?;
    Ok(Lookup { role, key, hints })
}

/// Milliseconds since 1970: session URLs outlive the process, so only the wall clock will do.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// What a client named is its mistake if it is no address, and none of its business otherwise.
fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::NotAnAddress => BadRequest::Address(refusal).into(),
        Refusal::Name
        | Refusal::Unresolved
        | Refusal::Special
        | Refusal::Unknown
        | Refusal::Ours => Denied::Node.into(),
    }
}

fn target(uri: &Uri) -> PathAndQuery {
    uri.path_and_query()
        .cloned()
        .unwrap_or(PathAndQuery::from_static("/"))
}

/// The session's own target, with what the client added to its URL; where the node is, is known already.
fn with_query(resource: PathAndQuery, added: Option<&str>) -> Result<PathAndQuery, Error> {
    let added = query::filter(added.unwrap_or_default(), |key| key != "host");
    if added.is_empty() {
        return Ok(resource);
    }
    let query = query::merge(resource.query().unwrap_or_default(), &added);
    PathAndQuery::try_from(format!("{}?{query}", resource.path())).map_err(|_| Error::Internal)
}

/// Scheme and authority of our own URLs as this client sees them, if they are known: configured, or our own TLS.
pub(crate) fn public_base(
    configured: Option<&str>,
    host: &Authority,
    exchange: &Exchange,
) -> String {
    match configured {
        Some(base) => base.trim_end_matches('/').to_owned(),
        None if exchange.record().peer.as_ref().is_some_and(|peer| peer.tls) => {
            format!("https://{host}")
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use whipstitch_signaling::socket::SocketQuery;

    use super::*;

    /// Names a node to the gate whenever it is asked, and counts.
    struct Naming {
        gate: Arc<AllowedOrigins>,
        asked: AtomicUsize,
    }

    impl Directory for Naming {
        fn locate<'a>(
            &'a self,
            lookup: &'a Lookup,
            purpose: Purpose,
        ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
            Box::pin(async move {
                assert_eq!((lookup.role, purpose), (Role::Publish, Purpose::Inquiry));
                assert_eq!(lookup.hints.as_str(), "endpoints=16&region=r");
                self.asked.fetch_add(1, Ordering::SeqCst);
                let named = self.gate.admit(Claim::Manager("10.0.0.7")).await;
                Candidates::new(named.into_iter().collect()).ok_or(LookupError::NotFound(None))
            })
        }

        fn forget(&self, _: &Lookup) {}
        fn ended(&self, _: &StreamKey) {}
        fn report(&self, _: &Origin, _: whipstitch_origin::Outcome) {}
    }

    fn gate() -> Arc<AllowedOrigins> {
        let nodes = whipstitch_origin::config::Nodes::default();
        let metrics = whipstitch_origin::Metrics::default();
        Arc::new(AllowedOrigins::new(&nodes, metrics))
    }

    /// Whether a socket to this host is let through, and how often the manager was asked.
    async fn admitted(host: &str, id: &str) -> (bool, usize) {
        let gate = gate();
        let named_to = gate.clone();
        admitted_by(gate, named_to, host, id).await
    }

    async fn admitted_by(
        gate: Arc<AllowedOrigins>,
        named_to: Arc<AllowedOrigins>,
        host: &str,
        id: &str,
    ) -> (bool, usize) {
        let directory = Arc::new(Naming {
            gate: named_to,
            asked: AtomicUsize::new(0),
        });
        let resolver = Resolver {
            directory: directory.clone(),
            allowed: gate,
            keys: watch::channel(Arc::new(SessionKeys::random().unwrap())).1,
            known: Arc::new(KnownSessions::new(true, Duration::from_hours(1))),
            pins: Arc::new(Pins::new()),
            newest: Arc::new(Newest::new(Duration::from_hours(1))),
            lifetime: Duration::from_hours(1),
            budget: Duration::from_secs(6),
            connect: Duration::from_secs(2),
        };
        let raw = format!("id={id}&region=r&host={host}&app=live");
        let query = SocketQuery::parse(&raw).unwrap();
        let uri: Uri = format!("/streammanager/?{raw}").parse().unwrap();
        let exchange = Exchange::begin(&http::HeaderMap::new(), None);
        let mut budget = Budget::new(resolver.budget, resolver.connect);
        let decided = {
            let claim = Claim::client(&query.host);
            let lookup = query
                .stream
                .clone()
                .map(|key| lookup(Role::Publish, key, &uri).unwrap());
            let admit = resolver.admit(claim, lookup.as_ref(), &mut budget, &exchange);
            admit.await
        };
        (decided.is_ok(), directory.asked.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn the_manager_vouches_for_the_node_of_the_clients_own_stream() {
        assert_eq!(admitted("10.0.0.7", "s1").await, (true, 1));
        for other in ["10.0.0.8", "127.0.0.1", "169.254.169.254"] {
            assert_eq!(admitted(other, "s1").await, (false, 1), "{other}");
            assert_eq!(admitted(other, "subscriber-1b31").await, (false, 0));
        }
        assert_eq!(admitted("10.0.0.7", "subscriber-1b31").await, (false, 0));
        assert_eq!(admitted("10.0.0.7:80", "s1").await, (false, 0));
    }

    #[tokio::test]
    async fn an_answer_that_is_remembered_vouches_as_well() {
        // Such an answer is not named to the gate again.
        let by = |host| admitted_by(gate(), gate(), host, "s1");
        assert_eq!(by("10.0.0.7").await, (true, 1));
        assert_eq!(by("::ffff:10.0.0.7").await, (true, 1));
        for other in ["10.0.0.8", "127.0.0.1", "::a00:7"] {
            assert_eq!(by(other).await, (false, 1), "{other}");
        }
    }

    #[test]
    fn a_sessions_own_query_stays_and_the_clients_is_added() {
        let with = |resource: &'static str, added| {
            with_query(PathAndQuery::from_static(resource), added)
                .unwrap()
                .to_string()
        };
        assert_eq!(with("/a?requestId=x", None), "/a?requestId=x");
        assert_eq!(
            with("/a?requestId=x", Some("y=%20z")),
            "/a?requestId=x&y=%20z"
        );
        assert_eq!(
            with("/a?requestId=x", Some("requestId=x")),
            "/a?requestId=x"
        );
        assert_eq!(with("/a", Some("")), "/a");
        assert_eq!(with("/a", Some("host=10.0.0.1")), "/a");
        assert_eq!(with("/a", Some("x=y&host=10.0.0.1")), "/a?x=y");
    }
}
