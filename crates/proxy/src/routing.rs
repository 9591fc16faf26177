//! Routing: what is asked for. Answers here what needs no node, and refuses what no node should see.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{Either, Ready, ready as now};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use tower::Service;
use whipstitch_signaling::{
    Role, Route, StreamKey,
    headers::{self, Media, SDP},
    socket::SocketQuery,
};

use crate::{
    Body, Clean, Error, Routed, body,
    config::{Limits, Proxy, Timeouts},
    error::{BadRequest, Denied},
    exchange::Subject,
    message::Ask,
};

const ENDPOINT_METHODS: &str = "OPTIONS, GET, HEAD, POST";
const SESSION_METHODS: &str = "OPTIONS, GET, HEAD, PATCH, DELETE";

/// The layer's service.
#[derive(Clone, Debug)]
pub struct Routing<S> {
    inner: S,
    rules: Arc<Rules>,
}

#[derive(Debug)]
struct Rules {
    proxy: Proxy,
    limits: Limits,
    timeouts: Timeouts,
}

/// Either the answer, or the way on.
enum Decision {
    Answer(Response<Body>),
    Go(Box<Routed>),
}

impl<S> Routing<S> {
    pub(crate) fn new(inner: S, proxy: Proxy, limits: Limits, timeouts: Timeouts) -> Self {
        Self {
            inner,
            rules: Arc::new(Rules {
                proxy,
                limits,
                timeouts,
            }),
        }
    }
}

impl<S> Service<Clean> for Routing<S>
where
    S: Service<Routed, Response = Response<Body>, Error = Error>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<Ready<Result<Response<Body>, Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, clean: Clean) -> Self::Future {
        match self.rules.decide(clean) {
            Ok(Decision::Go(routed)) => Either::Right(self.inner.call(*routed)),
            Ok(Decision::Answer(response)) => Either::Left(now(Ok(response))),
            Err(error) => Either::Left(now(Err(error))),
        }
    }
}

impl Rules {
    fn decide(&self, clean: Clean) -> Result<Decision, Error> {
        let route =
            Route::parse(clean.request.uri().path(), clean.websocket).map_err(BadRequest::from)?;
        match route {
            Route::Endpoint { role, key } => {
                clean.exchange.is_about(Subject::endpoint(role), Some(&key));
                self.endpoint(clean, role, key)
            }
            Route::Session { role, key, token } => {
                clean.exchange.is_about(Subject::session(role), Some(&key));
                self.session(clean, role, key, token)
            }
            Route::Socket => self.socket(clean),
            Route::ManagerAdmin | Route::Manager => {
                clean.exchange.is_about(Subject::Manager, None);
                self.manager(clean, route == Route::ManagerAdmin)
            }
        }
    }

    fn endpoint(&self, clean: Clean, role: Role, key: StreamKey) -> Result<Decision, Error> {
        match *clean.request.method() {
            Method::GET | Method::HEAD => {
                return Ok(Decision::Answer(described(clean.request.method(), role)));
            }
            Method::OPTIONS => {}
            // A player may leave the offer to the server (draft-murillo-whep-00 §4.2): no body, no type.
            Method::POST if role == Role::Play && clean.request.body().is_end_stream() => {}
            Method::POST => expect_media(&clean.request, SDP, |media| media == Media::Sdp)?,
            _ => {
                return Err(Error::Method {
                    allow: ENDPOINT_METHODS,
                });
            }
        }
        self.signaling(clean, Ask::Endpoint { role, key })
    }

    fn session(
        &self,
        clean: Clean,
        role: Role,
        key: StreamKey,
        token: Option<String>,
    ) -> Result<Decision, Error> {
        match *clean.request.method() {
            Method::GET | Method::HEAD => return Ok(Decision::Answer(no_content())),
            Method::OPTIONS | Method::DELETE => {}
            Method::PATCH => {
                expect_media(
                    &clean.request,
                    "application/sdp or application/trickle-ice-sdpfrag",
                    |_| true,
                )?;
            }
            _ => {
                return Err(Error::Method {
                    allow: SESSION_METHODS,
                });
            }
        }
        let token = token.ok_or(Error::UnknownSession)?;
        self.signaling(clean, Ask::Session { role, key, token })
    }

    fn signaling(&self, mut clean: Clean, ask: Ask) -> Result<Decision, Error> {
        if !self.proxy.enabled {
            return Err(Denied::Signaling.into());
        }
        let taken = std::mem::replace(clean.request.body_mut(), body::empty());
        *clean.request.body_mut() =
            body::guard(taken, self.limits.sdp_bytes, Some(self.timeouts.body))?;
        Ok(Decision::go(clean, ask))
    }

    fn socket(&self, clean: Clean) -> Result<Decision, Error> {
        clean.exchange.is_about(Subject::Socket, None);
        if !self.proxy.enabled {
            return Err(Denied::Signaling.into());
        }
        let query = SocketQuery::parse(clean.request.uri().query().unwrap_or_default())
            .map_err(BadRequest::from)?;
        clean
            .exchange
            .is_about(Subject::Socket, query.stream.as_ref());
        Ok(Decision::go(clean, Ask::Socket(query)))
    }

    fn manager(&self, mut clean: Clean, admin: bool) -> Result<Decision, Error> {
        if admin && !self.proxy.admin_api {
            return Err(Denied::AdminApi.into());
        }
        let taken = std::mem::replace(clean.request.body_mut(), body::empty());
        *clean.request.body_mut() = body::guard(taken, self.limits.body_bytes, None)?;
        let path = clean.request.uri().path();
        let names_nodes = clean.request.method() == Method::GET
            && path.starts_with("/streammanager/api/")
            && path.contains("/event/");
        Ok(Decision::go(clean, Ask::Manager { names_nodes }))
    }
}

impl Decision {
    fn go(clean: Clean, ask: Ask) -> Self {
        let Clean {
            request,
            host,
            exchange,
            websocket: _,
        } = clean;
        Self::Go(Box::new(Routed {
            ask,
            request,
            host,
            exchange,
        }))
    }
}

fn expect_media(
    request: &Request<Body>,
    expected: &'static str,
    accepts: impl Fn(Media) -> bool,
) -> Result<(), BadRequest> {
    match headers::media(request.headers()) {
        Some(Some(media)) if accepts(media) => Ok(()),
        _ => Err(BadRequest::MediaType { expected }),
    }
}

/// GET and HEAD of an endpoint: 2xx and no content (RFC 9725 §4.1); HEAD of a WHEP endpoint tells players by its type
/// what the URL is (draft-ietf-wish-whep, §4.1).
fn described(method: &Method, role: Role) -> Response<Body> {
    let mut response = no_content();
    if method == Method::HEAD && role == Role::Play {
        *response.status_mut() = StatusCode::OK;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    }
    response.headers_mut().insert(
        header::HeaderName::from_static("accept-post"),
        HeaderValue::from_static(SDP),
    );
    response
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, uri::Authority};
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::{Exchange, problem::Kind};

    async fn ask(
        method: &str,
        uri: &str,
        media: Option<&str>,
        sent: &'static str,
    ) -> Result<String, Kind> {
        ask_with(Proxy::default(), method, uri, media, sent).await
    }

    async fn ask_with(
        proxy: Proxy,
        method: &str,
        uri: &str,
        media: Option<&str>,
        sent: &'static str,
    ) -> Result<String, Kind> {
        let inner = service_fn(|routed: Routed| async move {
            let text = format!("{:?}", routed.ask);
            Ok::<_, Error>(
                Response::builder()
                    .header("asked", text)
                    .body(body::empty())
                    .unwrap(),
            )
        });
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(media) = media {
            request = request.header("content-type", media);
        }
        let clean = Clean {
            request: request
                .body(if sent.is_empty() {
                    body::empty()
                } else {
                    body::full(sent)
                })
                .unwrap(),
            host: Authority::from_static("a"),
            websocket: method == "UPGRADE",
            exchange: Exchange::begin(&HeaderMap::new(), None),
        };
        let limits = Limits {
            sdp_bytes: 10,
            ..Limits::default()
        };
        let response = Routing::new(inner, proxy, limits, Timeouts::default())
            .oneshot(clean)
            .await;
        response.map_err(|error| Kind::of(&error)).map(|response| {
            match response.headers().get("asked") {
                Some(asked) => asked.to_str().unwrap().to_owned(),
                None => response.status().as_u16().to_string(),
            }
        })
    }

    #[tokio::test]
    async fn each_method_at_each_url() {
        let sdp = Some("application/sdp");
        let endpoint = "/live/whip/endpoint/s1?a=b";
        let session = "/live/whip/resource/s1/token";
        assert!(
            ask("POST", endpoint, sdp, "v=0")
                .await
                .unwrap()
                .starts_with("Endpoint { role: Publish, key: live/s1")
        );
        assert!(
            ask("OPTIONS", endpoint, None, "")
                .await
                .unwrap()
                .starts_with("Endpoint")
        );
        assert_eq!(ask("GET", endpoint, None, "").await.unwrap(), "204");
        assert_eq!(
            ask("HEAD", "/live/whep/endpoint/s1", None, "")
                .await
                .unwrap(),
            "200"
        );
        assert_eq!(
            ask("PUT", endpoint, None, "").await.unwrap_err(),
            Kind::Method
        );
        assert!(
            ask("PATCH", session, sdp, "v=0")
                .await
                .unwrap()
                .starts_with("Session")
        );
        assert!(
            ask(
                "PATCH",
                session,
                Some("application/trickle-ice-sdpfrag"),
                "a"
            )
            .await
            .is_ok()
        );
        assert!(ask("DELETE", session, None, "").await.is_ok());
        assert_eq!(ask("GET", session, None, "").await.unwrap(), "204");
        assert_eq!(
            ask("POST", session, sdp, "v=0").await.unwrap_err(),
            Kind::Method
        );
        assert_eq!(
            ask("DELETE", "/live/whip/resource/s1", None, "")
                .await
                .unwrap_err(),
            Kind::UnknownSession
        );
    }

    #[tokio::test]
    async fn bodies_are_of_the_right_kind_and_size() {
        let endpoint = "/live/whip/endpoint/s1";
        assert_eq!(
            ask("POST", endpoint, None, "v=0").await.unwrap_err(),
            Kind::MediaType
        );
        assert_eq!(
            ask("POST", endpoint, Some("text/plain"), "v=0")
                .await
                .unwrap_err(),
            Kind::MediaType
        );
        assert_eq!(
            ask("POST", endpoint, Some("application/sdp"), "01234567890")
                .await
                .unwrap_err(),
            Kind::BodyTooLarge
        );
        assert_eq!(
            ask("POST", endpoint, None, "").await.unwrap_err(),
            Kind::MediaType
        );
        assert!(
            ask("POST", "/live/whep/endpoint/s1", None, "")
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn the_rest_is_the_managers_but_not_its_administration() {
        let event = "/streammanager/api/4.0/event/live/s1?action=broadcast";
        assert_eq!(
            ask("GET", event, None, "").await.unwrap(),
            "Manager { names_nodes: true }"
        );
        assert_eq!(
            ask("GET", "/any.html", None, "").await.unwrap(),
            "Manager { names_nodes: false }"
        );
        let admin = "/streammanager/api/4.0/admin/nodegroup";
        assert_eq!(
            ask("GET", admin, None, "").await.unwrap_err(),
            Kind::AdminApi
        );
        let open = Proxy {
            admin_api: true,
            ..Proxy::default()
        };
        assert!(ask_with(open, "GET", admin, None, "").await.is_ok());
    }

    #[tokio::test]
    async fn a_socket_names_its_node_and_scope() {
        let asked = ask(
            "UPGRADE",
            "/streammanager/?id=s1&host=10.0.0.1&app=live&password=x",
            None,
            "",
        )
        .await
        .unwrap();
        assert_eq!(asked, r#"Socket(SocketQuery { scope: "live", .. })"#);
        let undefined = ask(
            "UPGRADE",
            "/streammanager/?id=s1&host=undefined&app=live",
            None,
            "",
        )
        .await;
        assert_eq!(undefined.unwrap_err(), Kind::BadQuery);
    }

    #[tokio::test]
    async fn switched_off_only_the_manager_is_left() {
        let off = || Proxy {
            enabled: false,
            ..Proxy::default()
        };
        let post = ask_with(
            off(),
            "POST",
            "/live/whip/endpoint/s1",
            Some("application/sdp"),
            "v=0",
        )
        .await;
        assert_eq!(post.unwrap_err(), Kind::Disabled);
        let socket = ask_with(
            off(),
            "UPGRADE",
            "/streammanager/?id=s1&host=10.0.0.1&app=live",
            None,
            "",
        )
        .await;
        assert_eq!(socket.unwrap_err(), Kind::Disabled);
        assert!(
            ask_with(
                off(),
                "GET",
                "/streammanager/api/4.0/event/live/s1",
                None,
                ""
            )
            .await
            .is_ok()
        );
    }
}
