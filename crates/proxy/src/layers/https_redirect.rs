//! `HttpsRedirect`: sends clients of plain HTTP to `https` (`proxy.https_redirect`).
//!
//! | over plain HTTP | answer |
//! |---|---|
//! | GET, HEAD | 308 to the same URL with `https` |
//! | any other method, and WebSockets | 403: a client that follows has sent its secrets already, and most do not follow |
//! | a balancer's health check | served |
//! | `/.well-known/acme-challenge/` | 404: an authority asks there over plain HTTP, and no order of ours waits for it |
//!
//! A trusted proxy that names the client's scheme is believed; one that names none is taken for one
//! that ends TLS, or each of its clients would be sent in a circle.

use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready as now};
use http::{HeaderValue, Method, Response, StatusCode, Uri, header, uri::Authority};
use tower::{Layer, Service};
use whipstitch_signaling::host;

use crate::{
    Body, Clean, Error,
    layers::health_check,
    request::trusted_proxies::Scheme,
    words::{body, config::Proxy, error::Denied},
};

/// Where certificate authorities ask whether a host is ours (RFC 8555 §8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Redirects or refuses what came over plain HTTP.
#[derive(Clone, Debug)]
pub(crate) struct HttpsRedirectLayer {
    /// The authority of `proxy.public_url`, if that is an `https` one.
    public: Option<Authority>,
}

impl HttpsRedirectLayer {
    /// `None` if it is off.
    pub(crate) fn new(proxy: &Proxy) -> Option<Self> {
        let public = proxy.public_url.as_deref().and_then(|url| url.parse().ok());
        let public = public.filter(|url: &Uri| url.scheme_str() == Some("https"));
        let public = public.and_then(|url| url.authority().cloned());
        proxy.https_redirect.then_some(Self { public })
    }

    /// The answer to what came over plain HTTP; `None` if it is to be served.
    fn answer(&self, clean: &Clean) -> Option<Result<Response<Body>, Error>> {
        let is_plain = clean.exchange.scheme_to_us() == Some(Scheme::Http);
        if !is_plain || health_check::is_one(&clean.request, clean.websocket) {
            return None;
        }
        let is_page = matches!(*clean.request.method(), Method::GET | Method::HEAD);
        Some(if clean.request.uri().path().starts_with(CHALLENGES) {
            Err(Error::NoChallenge)
        } else if is_page && !clean.websocket {
            self.redirect(clean)
        } else {
            Err(Denied::PlainHttp.into())
        })
    }

    fn redirect(&self, clean: &Clean) -> Result<Response<Body>, Error> {
        let name = clean.host.host();
        let same = |public: &&Authority| host::same(public.host(), name);
        // The port of `listen.https` is not the one that clients use where a balancer maps it.
        let host = self.public.as_ref().filter(same);
        let host = host.map_or(name, Authority::as_str);
        let location = HeaderValue::try_from(format!("https://{host}{}", clean.request.uri()));
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, location.map_err(|_| Error::Internal)?);
        // So that the operator can take it back, and no shared cache keeps it for another host.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

impl<S> Layer<S> for HttpsRedirectLayer {
    type Service = HttpsRedirect<S>;

    fn layer(&self, inner: S) -> HttpsRedirect<S> {
        let layer = self.clone();
        HttpsRedirect { inner, layer }
    }
}

/// The service of [`HttpsRedirectLayer`].
#[derive(Clone, Debug)]
pub(crate) struct HttpsRedirect<S> {
    inner: S,
    layer: HttpsRedirectLayer,
}

impl<S> Service<Clean> for HttpsRedirect<S>
where
    S: Service<Clean, Response = Response<Body>, Error = Error>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<Ready<Result<Response<Body>, Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, clean: Clean) -> Self::Future {
        match self.layer.answer(&clean) {
            Some(answer) => Either::Left(now(answer)),
            None => Either::Right(self.inner.call(clean)),
        }
    }
}
