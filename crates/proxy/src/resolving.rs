//! Resolving: which node. Whoever names it, it has passed the gate of [`AllowedOrigins`].

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use http::{
    Method, Response, Uri,
    uri::{Authority, PathAndQuery},
};
use tokio::time::Instant;
use tower::Service;
use whipstitch_origin::{AllowedOrigins, Claim, Directory, Hints, Lookup, Purpose, Refusal};
use whipstitch_signaling::{Role, StreamKey, query, session::SessionKeys};

use crate::{
    Body, Bound, Error, Exchange, Routed,
    error::{BadRequest, Denied},
    message::{Ask, Endpoint, ToNode, ToSocket},
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
    pub(crate) keys: Arc<SessionKeys>,
    /// How long a session URL is good for.
    pub(crate) lifetime: Duration,
}

impl<S> Resolving<S> {
    pub(crate) fn new(inner: S, resolver: Resolver) -> Self {
        Self {
            inner,
            resolver: Arc::new(resolver),
        }
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
        match ask {
            Ask::Endpoint { role, key } => {
                let purpose = match *request.method() {
                    Method::POST => Purpose::Session,
                    _ => Purpose::Inquiry,
                };
                let (origin, lookup) = self
                    .look_up(role, key, purpose, request.uri(), &exchange)
                    .await?;
                let target = target(request.uri());
                let endpoint = Some(Endpoint { lookup, host });
                Ok(Bound::Node(ToNode {
                    origin,
                    target,
                    endpoint,
                    request,
                    exchange,
                }))
            }
            Ask::Session { role, key, token } => {
                let session = self
                    .keys
                    .open(role, &key, &token)
                    .ok_or(Error::UnknownSession)?;
                if self.is_over(session.issued_at) {
                    return Err(Error::UnknownSession);
                }
                let origin = self
                    .allowed
                    .admit(Claim::Session(session.node))
                    .await
                    .map_err(|_| Error::from(Denied::Node))?;
                exchange.goes_to(origin.addr());
                let target = with_query(session.resource, request.uri().query())?;
                Ok(Bound::Node(ToNode {
                    origin,
                    target,
                    endpoint: None,
                    request,
                    exchange,
                }))
            }
            Ask::Socket(query) => {
                let origin = self
                    .allowed
                    .admit(Claim::Client {
                        host: &query.host,
                        private: query.private,
                    })
                    .await
                    .map_err(refused)?;
                exchange.goes_to(origin.addr());
                Ok(Bound::Socket(ToSocket {
                    origin,
                    query,
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

    async fn look_up(
        &self,
        role: Role,
        key: StreamKey,
        purpose: Purpose,
        uri: &Uri,
        exchange: &Exchange,
    ) -> Result<(whipstitch_origin::Origin, Lookup), Error> {
        let hints = Hints::from_query(uri.query().unwrap_or_default()).map_err(BadRequest::from)?;
        let lookup = Lookup { role, key, hints };
        let asked = Instant::now();
        let candidates = self.directory.locate(&lookup, purpose).await;
        exchange.looked_up(asked.elapsed());
        let candidates = candidates.map_err(|error| match role {
            Role::Publish => Error::Publish(error),
            Role::Play => Error::Play(error),
        })?;
        let origin = candidates.iter().next().cloned().ok_or(Error::Internal)?;
        exchange.goes_to(origin.addr());
        Ok((origin, lookup))
    }

    fn is_over(&self, issued_at: u64) -> bool {
        now() > issued_at.saturating_add(self.lifetime.as_secs())
    }
}

/// Seconds since 1970: session URLs outlive the process, so only the wall clock will do.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
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

/// The session's own target, with what the client added to its URL.
fn with_query(resource: PathAndQuery, added: Option<&str>) -> Result<PathAndQuery, Error> {
    let Some(added) = added.filter(|added| !added.is_empty()) else {
        return Ok(resource);
    };
    let query = query::merge(resource.query().unwrap_or_default(), added);
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
    use super::*;

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
    }
}
