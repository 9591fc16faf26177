//! Authentication: who may publish and play, by `[auth]`.
//!
//! A client is judged when it is known which role and stream are meant, before its body is read and
//! before the manager is asked which node has the stream: a flood of bad tokens costs neither.
//!
//! | what is asked for | what is wanted |
//! |---|---|
//! | an endpoint, by `POST` or by the explicit `OPTIONS` of Red5's SDK | what the rule says |
//! | a session or an extension, by its sealed URL | nothing; a token has to be that of its owner |
//! | a session, by a URL without a sealed token | a token of its owner |
//! | a WebSocket to a node | what the rule says; what it says later is held to the same |
//! | the Stream Manager, its pages and API | nothing: the manager judges by itself |

mod token;

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{Either, Ready, ready as now};
use http::Response;
use tower::{Layer, Service};
use whipstitch_auth::{Admitted, Authority, Outcome, Refused, Visitor};
use whipstitch_signaling::{Role, owner::Owner, socket::Wanted};

use crate::{
    Body, Error, Exchange, Metrics, Routed, Unread,
    request::message::{Ask, ExtensionUrl, Signaling},
};

/// Judges clients by this authority.
#[derive(Clone, Debug)]
pub(crate) struct AuthenticationLayer {
    pub(crate) authority: Arc<Authority>,
    /// Whether a node gets the token that was judged.
    pub(crate) pass_token: bool,
    pub(crate) metrics: Metrics,
}

impl<S> Layer<S> for AuthenticationLayer {
    type Service = Authentication<S>;

    fn layer(&self, inner: S) -> Authentication<S> {
        let layer = self.clone();
        Authentication { inner, layer }
    }
}

/// The service of [`AuthenticationLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Authentication<S> {
    inner: S,
    layer: AuthenticationLayer,
}

impl<S> Service<Routed<Unread>> for Authentication<S>
where
    S: Service<Routed<Unread>, Response = Response<Body>, Error = Error>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<Ready<Result<Response<Body>, Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut routed: Routed<Unread>) -> Self::Future {
        let judged = match &mut routed {
            Routed::Signaling(asked) => self.layer.judge(asked),
            Routed::Manager(_) => Ok(()),
        };
        match judged {
            Ok(()) => Either::Right(self.inner.call(routed)),
            Err(refused) => Either::Left(now(Err(refused.into()))),
        }
    }
}

impl AuthenticationLayer {
    fn judge(&self, asked: &mut Signaling<Unread>) -> Result<(), Refused> {
        let Some(judged) = self.judged(asked) else {
            return Ok(());
        };
        self.metrics.judged(Outcome::of(judged.as_ref()));
        let admitted = judged?;
        if admitted.is_judged && !self.pass_token {
            token::take_out(asked)?;
        }
        asked.exchange.is_admitted(admitted);
        Ok(())
    }

    /// What becomes of a client; `None` if it is none of those that are judged.
    fn judged(&self, asked: &Signaling<Unread>) -> Option<Result<Admitted, Refused>> {
        let visitor = Visitor {
            token: token::of(&asked.request),
        };
        let judged = match &asked.ask {
            Ask::Endpoint { role, key, .. } => self.authority.admit(*role, key, &visitor),
            Ask::Session { role, key, token } => {
                let has_sealed_url = token.is_some();
                (self.authority).identify(*role, key.scope(), &visitor, has_sealed_url)
            }
            Ask::Extension(ExtensionUrl { role, key, .. }) => {
                (self.authority).identify(*role, key.scope(), &visitor, true)
            }
            Ask::Socket(query) => {
                let claim = match &query.node {
                    Wanted::Carrier { role, key }
                    | Wanted::Named {
                        stream: Some((role, key)),
                        ..
                    } => (*role, Some(key)),
                    Wanted::Named { stream: None, .. } => (Role::Play, None),
                };
                self.authority.open(&query.scope, claim, &visitor)
            }
            Ask::ManagerSocket => return None,
        };
        Some(judged)
    }
}

/// Whether a client may use a session, or an extension, of this owner: one that brings no token has
/// proved itself by the sealed URL.
///
/// # Errors
/// It is another client's.
pub(crate) fn is_owner(owner: Option<Owner>, exchange: &Exchange) -> Result<(), Refused> {
    match (owner, exchange.owner()) {
        (Some(owner), Some(client)) if owner != client => Err(Refused::NotPermitted(
            "the session was made with another client's token",
        )),
        _ => Ok(()),
    }
}
