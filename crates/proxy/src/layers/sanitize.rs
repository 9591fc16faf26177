//! Sanitize: after this layer, framing and addressing can be trusted.
//!
//! hyper is a correct parser but no edge: it serves a request without `Host`, with two of them,
//! with a target that names another host, and `CONNECT`. All that ends here.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{Either, Ready, ready as now};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version,
    header::{COOKIE, EXPECT, FORWARDED, HOST},
    uri::{Authority, PathAndQuery},
};
use tower::{Layer, Service};
use whipstitch_signaling::{
    headers::strip_hop_by_hop,
    host::{normal, normal_authority},
};

use crate::{
    Body, Clean, Error, Exchange, Peer, RequestBody,
    destinations::splice::handshake,
    layers::health_check,
    request::{exchange::Subject, request_id::REQUEST_ID, trusted_proxies::Scheme},
    words::error::{BadRequest, Denied},
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Refuses what must not be trusted, and normalises the rest.
#[derive(Clone, Debug)]
pub(crate) struct SanitizeLayer {
    /// Host names that are served, in their one spelling; any if empty.
    hosts: Arc<[String]>,
}

impl SanitizeLayer {
    /// One that serves these host names; any if there are none.
    pub(crate) fn new(hosts: &[String]) -> Self {
        Self {
            hosts: hosts.iter().map(|name| normal(name)).collect(),
        }
    }

    fn clean(&self, mut request: Request<RequestBody>) -> Result<Clean, Error> {
        let exchange = request
            .extensions_mut()
            .remove::<Exchange>()
            .ok_or(Error::Internal)?;
        let asked = host(&request)?;
        // The host that a trusted proxy was asked for is what the client means; the Host may be
        // the proxy's own name for us.
        let forwarded = exchange.record().provenance.host.clone();
        let host = forwarded.filter(|host| self.serves(host)).unwrap_or(asked);
        let upgrade = handshake::is_asked(&request);
        let is_check = health_check::is_one(&request, !matches!(upgrade, Ok(false)));
        if !self.serves(&host) && !is_check {
            return Err(Denied::Host.into());
        }
        // Judged before hop-by-hop fields are gone.
        let websocket = upgrade.inspect_err(|_| exchange.is_about(Subject::Socket, None))?;
        if !websocket && matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            return Err(Error::Method {
                allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            });
        }
        *request.uri_mut() = origin_form(request.uri())?;
        let headers = request.headers_mut();
        take_expectation(headers)?;
        strip_hop_by_hop(headers);
        drop_forged(headers);
        join_cookies(headers);
        set_forwarded_headers(headers, &host, &exchange);
        Ok(Clean {
            request,
            host,
            websocket,
            exchange,
        })
    }

    fn serves(&self, host: &Authority) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|served| served == host.host())
    }
}

impl<S> Layer<S> for SanitizeLayer {
    type Service = Sanitize<S>;

    fn layer(&self, inner: S) -> Sanitize<S> {
        let layer = self.clone();
        Sanitize { inner, layer }
    }
}

/// The service of [`SanitizeLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Sanitize<S> {
    inner: S,
    layer: SanitizeLayer,
}

impl<S> Service<Request<RequestBody>> for Sanitize<S>
where
    S: Service<Clean, Response = Response<Body>, Error = Error>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<Ready<Result<Response<Body>, Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        match self.layer.clean(request) {
            Ok(clean) => Either::Right(self.inner.call(clean)),
            Err(error) => Either::Left(now(Err(error))),
        }
    }
}

/// The one host that a request names (RFC 9112 §3.2, RFC 9113 §8.3.1), in its one spelling.
fn host(request: &Request<RequestBody>) -> Result<Authority, BadRequest> {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (Some(host), None) => Some(
            Authority::try_from(host.as_bytes())
                .map_err(|_| BadRequest::Host("the Host header is not a host name"))?,
        ),
        (None, None) => None,
        _ => return Err(BadRequest::Host("there is more than one Host header")),
    };
    // Which port may be left out is known only where the target says the scheme.
    let default = match request.uri().scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    let differ = |one: &Authority, other: &Authority| {
        normal_authority(one, default) != normal_authority(other, default)
    };
    let host = match (field, request.uri().authority().cloned()) {
        (Some(field), Some(target)) if differ(&field, &target) => {
            return Err(BadRequest::Host(
                "the request target names another host than the Host header",
            ));
        }
        (None, Some(target)) if request.version() == Version::HTTP_2 => target,
        (Some(field), _) => field,
        (None, _) => return Err(BadRequest::Host("there is no Host header")),
    };
    normal_authority(&host, None).ok_or(BadRequest::Host("the Host header is not a host name"))
}

/// `Expect` is answered here (RFC 9110 §10.1.1), by hyper when the body is first asked for. A
/// server that reads the field in another way would answer before the body, and leave that for the
/// next request of a connection that clients share.
fn take_expectation(headers: &mut HeaderMap) -> Result<(), BadRequest> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    let mut values = headers.get_all(EXPECT).iter();
    if values.next().is_some_and(|value| !known(value)) || values.next().is_some() {
        return Err(BadRequest::Expectation);
    }
    headers.remove(EXPECT);
    Ok(())
}

/// Path and query alone, whatever form the target came in.
fn origin_form(uri: &Uri) -> Result<Uri, BadRequest> {
    let path = uri
        .path_and_query()
        .cloned()
        .unwrap_or(PathAndQuery::from_static("/"));
    if !path.as_str().starts_with('/') {
        return Err(BadRequest::Host("the request target is not a path"));
    }
    Ok(Uri::from(path))
}

/// Removes the forwarded headers, which were read already if they are believed, and names with an
/// underscore: some servers read `X_Forwarded_For` as `X-Forwarded-For`.
fn drop_forged(headers: &mut HeaderMap) {
    let forged = |name: &&HeaderName| {
        let name = name.as_str();
        name.starts_with("x-forwarded-") || name.contains('_')
    };
    let forged: Vec<HeaderName> = headers.keys().filter(forged).cloned().collect();
    for name in [FORWARDED, REAL_IP, HOST].into_iter().chain(forged) {
        headers.remove(name);
    }
}

/// HTTP/2 may split `Cookie` into fields, HTTP/1.1 may not (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// The headers that name the client.
fn set_forwarded_headers(headers: &mut HeaderMap, host: &Authority, exchange: &Exchange) {
    let record = exchange.record();
    let proto = exchange.scheme_to_us().map(|scheme| match scheme {
        Scheme::Https => "https",
        Scheme::Http => "http",
    });
    let peer = || record.peer.as_ref().map(Peer::forwarded_for);
    let hops = record.provenance.hops.clone().or_else(peer);
    headers.insert(
        FORWARDED_FOR,
        hops.unwrap_or(HeaderValue::from_static("unknown")),
    );
    if let Some(proto) = proto {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
    if let Ok(host) = HeaderValue::from_str(host.as_str()) {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(REQUEST_ID, record.id.clone());
    record.trace.propagate(headers, host);
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::words::body;

    /// The request that comes out, as text; or the error.
    async fn clean(request: http::request::Builder, hosts: &[&str]) -> Result<String, String> {
        let mut request = request.body(RequestBody::default()).unwrap();
        let peer = Peer::new("192.0.2.1:1000".parse().unwrap(), true);
        let exchange = Exchange::begin(request.headers(), Some(peer));
        request.extensions_mut().insert(exchange);
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let inner = service_fn(|clean: Clean| async move {
            let mut fields: Vec<String> = clean
                .request
                .headers()
                .iter()
                .filter(|(name, _)| *name != REQUEST_ID)
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            fields.sort();
            let text = format!(
                "{} {} ws={} {}",
                clean.host,
                clean.request.uri(),
                clean.websocket,
                fields.join(", ")
            );
            Ok::<_, Error>(Response::new(body::full(text)))
        });
        let service = SanitizeLayer::new(&hosts).layer(inner);
        match service.oneshot(request).await {
            Ok(response) => {
                let body = http_body_util::BodyExt::collect(response.into_body())
                    .await
                    .unwrap()
                    .to_bytes();
                Ok(String::from_utf8(body.to_vec()).unwrap())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn get(uri: &str) -> http::request::Builder {
        Request::get(uri)
    }

    #[tokio::test]
    async fn what_goes_on_is_clean() {
        let request = get("/a?b=%20c")
            .header("host", "live.example:8443")
            .header("connection", "close, x-forwarded-for, x-gone")
            .header("x-gone", "1")
            .header("x-forwarded-for", "6.6.6.6")
            .header("x_forwarded_for", "6.6.6.6")
            .header("x-forwarded-for-meta-type", "DIRECT")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("x-real-ip", "6.6.6.6")
            .header("forwarded", "for=6.6.6.6");
        insta::assert_snapshot!(
            clean(request, &[]).await.unwrap(),
            @"live.example:8443 /a?b=%20c ws=false cookie: a=1; b=2, x-forwarded-for: 192.0.2.1, x-forwarded-host: live.example:8443, x-forwarded-proto: https"
        );
    }

    #[tokio::test]
    async fn one_host_and_only_one() {
        for (request, why) in [
            (get("/"), "there is no Host header"),
            (
                get("/").header("host", "a").header("host", "a"),
                "there is more than one Host header",
            ),
            (
                get("/").header("host", ""),
                "the Host header is not a host name",
            ),
            (
                get("/").header("host", "a@b"),
                "the Host header is not a host name",
            ),
            (
                get("/").header("host", "a b"),
                "the Host header is not a host name",
            ),
            (
                get("http://b/").header("host", "a"),
                "the request target names another host than the Host header",
            ),
            (
                get("*").header("host", "a"),
                "the request target is not a path",
            ),
        ] {
            assert_eq!(clean(request, &[]).await.unwrap_err(), why);
        }
        assert!(
            clean(get("http://a/x").header("host", "a"), &[])
                .await
                .unwrap()
                .starts_with("a /x ")
        );
        assert!(
            clean(get("https://a/x").version(Version::HTTP_2), &[])
                .await
                .unwrap()
                .starts_with("a /x ")
        );
    }

    #[tokio::test]
    async fn only_configured_names_are_served_if_there_are_any() {
        let ask = |host| clean(get("/").header("host", host), &["Live.Example"]);
        assert!(ask("live.example:443").await.is_ok());
        assert_eq!(
            ask("other.example").await.unwrap_err(),
            "this host name is not served here"
        );
    }

    #[tokio::test]
    async fn a_health_check_may_name_any_host() {
        let ask = |uri| clean(get(uri).header("host", "10.0.0.1"), &["live.example"]);
        assert!(ask("/as/v1/admin/healthz").await.is_ok());
        assert!(ask("/as/v1/admin/nodegroup").await.is_err());
    }

    #[tokio::test]
    async fn this_is_no_forward_proxy() {
        let connect = Request::builder()
            .method("CONNECT")
            .uri("a:443")
            .header("host", "a:443");
        assert!(
            clean(connect, &[])
                .await
                .unwrap_err()
                .starts_with("this URL allows")
        );
        let trace = Request::builder()
            .method("TRACE")
            .uri("/")
            .header("host", "a");
        assert!(
            clean(trace, &[])
                .await
                .unwrap_err()
                .starts_with("this URL allows")
        );
    }
}
