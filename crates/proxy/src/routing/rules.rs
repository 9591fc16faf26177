//! What each method means at each URL, and what a request has to be like to go on.

mod forwarded;

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body as _;
use whipstitch_origin::BaseUrl;
use whipstitch_signaling::{
    Api, Form, Role, Route, StreamKey,
    app_query::with_app,
    headers::{self, Media, SDP},
    misplaced::mended,
    route::{has_dots, leads_to_a_node, names_nodes},
    short::in_full,
    socket::{self, SocketQuery, SocketQueryError},
};

use crate::{
    Body, Clean, Error, Routed,
    body::{self, Patience},
    config::{Limits, Proxy, Timeouts},
    error::{BadRequest, Denied},
    exchange::Subject,
    health_check,
    message::{Ask, ExtensionUrl},
    splice::handshake,
};

const ENDPOINT_METHODS: &str = "OPTIONS, GET, HEAD, POST";
/// Where endpoint and session are one URL.
const GUID_METHODS: &str = "OPTIONS, GET, HEAD, POST, PATCH, DELETE";
const MANAGER_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const SESSION_METHODS: &str = "OPTIONS, GET, HEAD, PATCH, DELETE";
const EXTENSION_METHODS: &str = "OPTIONS, GET, HEAD, POST, PATCH, DELETE";

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) api: Api,
    pub(super) base: BaseUrl,
    pub(super) proxy: Proxy,
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
}

/// Either the answer, or the way on.
pub(super) enum Decision {
    Answer(Response<Body>),
    Go(Box<Routed>),
}

impl Rules {
    pub(super) fn decide(&self, mut clean: Clean) -> Result<Decision, Error> {
        if let Some(sent) = clean.request.uri().path_and_query()
            && let Some(meant) = mended(sent).or_else(|| in_full(clean.request.method(), sent))
        {
            *clean.request.uri_mut() = meant.into();
        }
        if health_check::is_one(&clean.request, clean.websocket) {
            clean.exchange.is_about(Subject::Manager, None);
            return self.with_body(clean, Ask::Manager { names_nodes: false });
        }
        let target = clean.request.uri().path_and_query();
        if let Some(meant) = target.and_then(with_app) {
            *clean.request.uri_mut() = meant.map_err(BadRequest::from)?.into();
        }
        let route = Route::parse(clean.request.uri().path(), clean.websocket, self.api)
            .map_err(BadRequest::from)?;
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
            // Its query holds host, application and token: none of it is for the manager.
            Route::Manager if is_socket_url(clean.request.uri()) => {
                clean.exchange.is_about(Subject::Socket, None);
                Err(BadRequest::Handshake(handshake::NO_UPGRADE).into())
            }
            Route::ManagerAdmin | Route::Manager => {
                clean.exchange.is_about(Subject::Manager, None);
                self.manager(clean, route == Route::ManagerAdmin)
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
            // A player may leave the offer to the server (draft-murillo-whep-00 §4.2): no body, no type.
            Method::POST if role == Role::Play && clean.request.body().is_end_stream() => {}
            Method::POST => expect_media(&clean.request, SDP, |media| media == Media::Sdp)?,
            _ => {
                let allow = match form {
                    Form::Classic => ENDPOINT_METHODS,
                    Form::Guid => GUID_METHODS,
                };
                return Err(Error::Method { allow });
            }
        }
        self.signaling(clean, Ask::Endpoint { role, key, form })
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
        self.signaling(clean, Ask::Session { role, key, token })
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
            | Method::DELETE => self.signaling(clean, Ask::Extension(url)),
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

    fn signaling(&self, mut clean: Clean, ask: Ask) -> Result<Decision, Error> {
        self.proxy.bearer.check(&clean.request)?;
        let taken = std::mem::replace(clean.request.body_mut(), body::empty());
        *clean.request.body_mut() = body::guard(
            taken,
            self.limits.sdp_bytes,
            Patience::Whole(self.timeouts.body),
        )?;
        Ok(Decision::go(clean, ask))
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
        Ok(Decision::go(clean, Ask::Socket(query)))
    }

    fn manager(&self, clean: Clean, admin: bool) -> Result<Decision, Error> {
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
            return Ok(Decision::go(clean, Ask::ManagerSocket));
        }
        let names_nodes = clean.request.method() == Method::GET
            && names_nodes(clean.request.uri().path(), self.api);
        self.with_body(clean, Ask::Manager { names_nodes })
    }

    /// What the manager gets may have a body of any kind.
    fn with_body(&self, mut clean: Clean, ask: Ask) -> Result<Decision, Error> {
        let taken = std::mem::replace(clean.request.body_mut(), body::empty());
        *clean.request.body_mut() = body::guard(
            taken,
            self.limits.body_bytes,
            Patience::Piece(self.timeouts.body),
        )?;
        Ok(Decision::go(clean, ask))
    }
}

impl Rules {
    /// Whether a path that is the manager's here is one of its administration there. `stream_manager.strip_prefix` and a
    /// path of `stream_manager.url` change it on its way, so what the manager gets is judged too, and what a client would
    /// have had to write to get the same.
    fn is_guarded(&self, path: &str, websocket: bool) -> Result<bool, Error> {
        if self.base.has_path() && has_dots(path) {
            return Err(BadRequest::Path.into());
        }
        let mut admin = false;
        let forms = [
            path.into(),
            self.base.at_manager(path),
            self.base.with_prefix(path),
        ];
        for form in forms {
            // The manager's own proxies would dial whatever a client names.
            if websocket && leads_to_a_node(&form) {
                let what = "WebSockets to nodes are at /streammanager/ and, with Stream Manager 2.0, at /as/v1/proxy/ws/; \
                    this path is neither";
                return Err(BadRequest::Handshake(what).into());
            }
            if form == path {
                continue;
            }
            match Route::parse(&form, false, self.api) {
                Ok(Route::Manager) => {}
                Ok(Route::ManagerAdmin) => admin = true,
                // Signalling has its own way, which this would lead around.
                Ok(_) | Err(_) => return Err(Denied::ForwardProxy.into()),
            }
        }
        Ok(admin)
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

/// Whether a URL is that of a WebSocket of 1.x, and none of the manager's pages, by its path and its query.
fn is_socket_url(uri: &Uri) -> bool {
    socket::is_url(uri.path(), uri.query().unwrap_or_default())
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
