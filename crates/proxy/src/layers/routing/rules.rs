//! What each method means at each URL, and which requests are refused here.

mod forwarded;
mod guarded;
mod pages;

use std::borrow::Cow;

use http::{HeaderValue, Method, Request, Response, StatusCode, header, uri::PathAndQuery};
use http_body::Body as _;
use whipstitch_origin::BaseUrl;
use whipstitch_signaling::{
    Api, Form, Role, Route, StreamKey,
    app_query::with_app,
    headers::{self, Media, SDP},
    misplaced::mended,
    query,
    route::names_nodes,
    short::in_full,
    socket::{self, SocketQuery, SocketQueryError},
};

use crate::{
    Body, Clean, Error, RequestBody, Routed, Unread,
    destinations::splice::handshake,
    layers::health_check,
    request::{
        exchange::Subject,
        message::{Ask, ExtensionUrl, ForManager, ManagerAsk, Signaling, has_content},
    },
    words::{
        body,
        config::{Limits, Proxy, Timeouts},
        error::{BadRequest, Denied},
    },
};

const ENDPOINT_METHODS: &str = "OPTIONS, GET, HEAD, POST";
/// Where endpoint and session are one URL.
const GUID_METHODS: &str = "OPTIONS, GET, HEAD, POST, PATCH, DELETE";
const MANAGER_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const SESSION_METHODS: &str = "OPTIONS, GET, HEAD, PATCH, DELETE";
const EXTENSION_METHODS: &str = "OPTIONS, GET, HEAD, POST, PATCH, DELETE";

/// What the decision depends on besides the request.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The generation of the Stream Manager.
    pub(crate) api: Api,
    /// Where the Stream Manager is.
    pub(crate) base: BaseUrl,
    /// `[proxy]`
    pub(crate) proxy: Proxy,
    /// `[limits]`
    pub(crate) limits: Limits,
    /// `[timeouts]`
    pub(crate) timeouts: Timeouts,
}

/// Either the answer, or the way on.
pub(super) enum Decision {
    Answer(Response<Body>),
    Go(Box<Routed<Unread>>),
}

impl Rules {
    pub(super) fn decide(&self, mut clean: Clean) -> Result<Decision, Error> {
        if health_check::is_one(&clean.request, clean.websocket) {
            clean.exchange.is_about(Subject::Manager, None);
            // It holds no place among `limits.in_flight`, so it carries nothing that a place would
            // have to wait for.
            *clean.request.body_mut() = RequestBody::default();
            clean.request.headers_mut().remove(header::CONTENT_LENGTH);
            return self.with_body(clean, ManagerAsk::Any { names_nodes: false });
        }
        self.may_open(&clean)?;
        let mut meant = meant(&clean);
        if let Some(with) = with_app(&meant) {
            meant = with.map_err(BadRequest::from)?;
        }
        let route = Route::parse(meant.path(), clean.websocket, self.api);
        let route = route.map_err(BadRequest::from)?;
        let names_nodes = names_nodes(meant.path(), self.api);
        // Its query holds host, application and token: none of it is for the manager.
        if route == Route::Manager
            && socket::is_url(meant.path(), meant.query().unwrap_or_default())
        {
            clean.exchange.is_about(Subject::Socket, None);
            return Err(BadRequest::Handshake(handshake::NO_UPGRADE).into());
        }
        // What is for the Stream Manager reaches it as it was written.
        let is_managers = matches!(
            route,
            Route::Manager | Route::ManagerAdmin | Route::ForwardProxy
        );
        if !is_managers {
            *clean.request.uri_mut() = meant.into();
        }
        match route {
            Route::Endpoint {
                role,
                key,
                form: Form::Guid,
            } if matches!(*clean.request.method(), Method::PATCH | Method::DELETE) => {
                clean.exchange.is_about(Subject::session(role), Some(&key));
                self.session(clean, role, key, None)
            }
            Route::Endpoint { role, key, form } => {
                clean.exchange.is_about(Subject::endpoint(role), Some(&key));
                self.endpoint(clean, role, key, form)
            }
            Route::Session { role, key, token } => {
                clean.exchange.is_about(Subject::session(role), Some(&key));
                self.session(clean, role, key, token)
            }
            Route::Extension {
                role,
                key,
                form,
                token,
            } => {
                clean.exchange.is_about(Subject::Extension, Some(&key));
                let url = ExtensionUrl {
                    role,
                    key,
                    form,
                    token,
                };
                self.extension(clean, url)
            }
            Route::Socket => self.socket(clean, None, SocketQuery::parse),
            Route::StreamSocket { role, key } => self.socket(clean, Some(&key), |raw| {
                SocketQuery::of_stream(role, &key, raw)
            }),
            Route::ForwardProxy => {
                clean.exchange.is_about(Subject::Manager, None);
                self.forwarded(clean)
            }
            Route::ManagerAdmin | Route::Manager => {
                clean.exchange.is_about(Subject::Manager, None);
                self.manager(clean, route == Route::ManagerAdmin, names_nodes)
            }
        }
    }

    fn endpoint(
        &self,
        clean: Clean,
        role: Role,
        key: StreamKey,
        form: Form,
    ) -> Result<Decision, Error> {
        self.is_enabled()?;
        match *clean.request.method() {
            Method::GET | Method::HEAD => {
                return Ok(Decision::Answer(described(clean.request.method(), role)));
            }
            Method::OPTIONS => {}
            Method::POST => match expect_media(&clean.request, SDP, |media| media == Media::Sdp) {
                Ok(()) => {}
                // A player may leave the offer to the server (draft-murillo-whep-00 §4.2): no body,
                // no type.
                Err(otherwise) if role == Role::Play && may_be_empty(clean.request.body()) => {
                    let ask = Ask::Endpoint { role, key, form };
                    return self.signaling(clean, ask, Some(otherwise));
                }
                Err(otherwise) => return Err(otherwise.into()),
            },
            _ => {
                let allow = match form {
                    Form::Classic => ENDPOINT_METHODS,
                    Form::Guid => GUID_METHODS,
                };
                return Err(Error::Method { allow });
            }
        }
        self.signaling(clean, Ask::Endpoint { role, key, form }, None)
    }

    fn session(
        &self,
        clean: Clean,
        role: Role,
        key: StreamKey,
        token: Option<String>,
    ) -> Result<Decision, Error> {
        self.is_enabled()?;
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
        self.signaling(clean, Ask::Session { role, key, token }, None)
    }

    /// What an extension takes is its own matter (RFC 9725 §4.9), but for how much of it.
    fn extension(&self, clean: Clean, url: ExtensionUrl) -> Result<Decision, Error> {
        self.is_enabled()?;
        match *clean.request.method() {
            Method::OPTIONS
            | Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PATCH
            | Method::DELETE => self.signaling(clean, Ask::Extension(url), None),
            _ => Err(Error::Method {
                allow: EXTENSION_METHODS,
            }),
        }
    }

    fn is_enabled(&self) -> Result<(), Denied> {
        if self.proxy.enabled {
            Ok(())
        } else {
            Err(Denied::Signaling)
        }
    }

    /// What may have no body is given the error for one that has.
    fn signaling(
        &self,
        clean: Clean,
        ask: Ask,
        refusal: Option<BadRequest>,
    ) -> Result<Decision, Error> {
        if !matches!(ask, Ask::Socket(_) | Ask::ManagerSocket) {
            self.proxy.bearer.check(&clean.request)?;
        }
        let Clean {
            request,
            host,
            exchange,
            websocket: _,
        } = clean;
        let none = !has_content(request.method());
        let refusal = refusal.or(none.then_some(BadRequest::Content));
        Ok(Decision::go(Routed::Signaling(Signaling {
            ask,
            request: request.map(|body| Unread { body, refusal }),
            host,
            exchange,
        })))
    }

    /// `stream` is the one of the path, if it names one.
    fn socket(
        &self,
        clean: Clean,
        stream: Option<&StreamKey>,
        parse: impl FnOnce(&str) -> Result<SocketQuery, SocketQueryError>,
    ) -> Result<Decision, Error> {
        clean.exchange.is_about(Subject::Socket, stream);
        self.is_enabled()?;
        if !clean.websocket {
            return Err(BadRequest::Handshake(handshake::NO_UPGRADE).into());
        }
        self.proxy.bearer.check(&clean.request)?;
        let query = parse(clean.request.uri().query().unwrap_or_default());
        let query = query.map_err(BadRequest::from)?;
        clean
            .exchange
            .is_about(Subject::Socket, query.stream.as_ref());
        self.signaling(clean, Ask::Socket(query), NO_BODY)
    }

    fn manager(&self, clean: Clean, admin: bool, names_nodes: bool) -> Result<Decision, Error> {
        if clean.request.method() == Method::CONNECT && !clean.websocket {
            return Err(Error::Method {
                allow: MANAGER_METHODS,
            });
        }
        let admin = self.is_guarded(clean.request.uri().path(), clean.websocket)? || admin;
        if admin && !self.proxy.admin_api {
            return Err(Denied::AdminApi.into());
        }
        if clean.websocket {
            return self.signaling(clean, Ask::ManagerSocket, NO_BODY);
        }
        let names_nodes = names_nodes && clean.request.method() == Method::GET;
        self.with_body(clean, ManagerAsk::Any { names_nodes })
    }

    /// What the manager gets may have a body of any kind.
    fn with_body(&self, clean: Clean, ask: ManagerAsk) -> Result<Decision, Error> {
        let Clean {
            mut request,
            exchange,
            ..
        } = clean;
        let body = request.body_mut();
        body.limit(self.limits.body_bytes, self.timeouts.body)?;
        Ok(Decision::go(Routed::Manager(ForManager {
            ask,
            request,
            exchange,
        })))
    }
}

/// The path in its one spelling, and the query as it came; with what clients write in the wrong
/// place, or leave out.
fn meant(clean: &Clean) -> PathAndQuery {
    let sent = clean.request.uri().path_and_query().cloned();
    let sent = sent.unwrap_or(PathAndQuery::from_static("/"));
    let plain = match (query::unescaped(sent.path()), sent.query()) {
        (Cow::Borrowed(_), _) => None,
        (Cow::Owned(path), Some(query)) => format!("{path}?{query}").parse().ok(),
        (Cow::Owned(path), None) => path.parse().ok(),
    };
    let plain = plain.unwrap_or(sent);
    mended(&plain)
        .or_else(|| in_full(clean.request.method(), &plain))
        .unwrap_or(plain)
}

impl Decision {
    fn go(routed: Routed<Unread>) -> Self {
        Self::Go(Box::new(routed))
    }
}

/// A body in a request to become a WebSocket is how a second request is smuggled past the upgrade.
const NO_BODY: Option<BadRequest> = Some(BadRequest::Handshake(handshake::BODY));

/// Whether it has to be read to see if it is empty.
fn may_be_empty(body: &RequestBody) -> bool {
    body.size_hint().lower() == 0
}

fn expect_media(
    request: &Request<RequestBody>,
    expected: &'static str,
    accepts: impl Fn(Media) -> bool,
) -> Result<(), BadRequest> {
    match headers::media(request.headers()) {
        Some(Some(media)) if accepts(media) => Ok(()),
        _ => Err(BadRequest::MediaType { expected }),
    }
}

/// GET and HEAD of an endpoint: 2xx and no content (RFC 9725 §4.1); HEAD of a WHEP endpoint shows
/// players by its type what the URL is (draft-ietf-wish-whep, §4.1).
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
