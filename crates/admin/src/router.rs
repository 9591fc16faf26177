//! Answers a request by the table of routes.

use std::{error::Error, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, header, request};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as HttpBody, Bytes};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};

use super::{
    Admin, Stage,
    access::Listener,
    answer::{self, Body},
    changes::{self, Change},
    events, incidents, page, red5,
    routes::{self, Access, Handler, Route},
    rtcproxy, sessions, status, streams,
};

/// Longest body of a change, in bytes.
const MAX_BODY: usize = 4096;
/// Longest wait for it. Not a timeout of the whole request: `POST /drain` may wait for its drain.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The route of a request, with the parameter of its path.
fn route<'p>(method: &Method, path: &'p str) -> Option<(&'static Route, &'p str)> {
    let method = match *method {
        Method::HEAD => Method::GET.as_str(),
        ref other => other.as_str(),
    };
    routes::find(path).find(|(route, _)| route.method == method)
}

/// Refuses clients that may not use the route.
///
/// # Errors
/// The answer to such a client.
#[expect(
    clippy::result_large_err,
    reason = "the layer that calls it wants the answer as it is"
)]
pub(super) fn authorize<B>(
    admin: &Admin,
    listener: Listener,
    request: &Request<B>,
) -> Result<(), Response<Body>> {
    let path = request.uri().path();
    let forbidden = |words| answer::error(StatusCode::FORBIDDEN, words);
    let Some((first, _)) = routes::find(path).next() else {
        return Ok(());
    };
    if first.access != Access::Any {
        listener
            .may_read(request.headers(), &admin.0.facts.hosts)
            .map_err(forbidden)?;
    }
    match route(request.method(), path) {
        Some((route, _)) if route.access == Access::Change => {
            listener.may_change(request.headers()).map_err(forbidden)
        }
        _ => Ok(()),
    }
}

/// Answers one request that [`authorize`] has let through.
pub(super) async fn answer<B>(admin: &Admin, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let Some((route, parameter)) = route(&parts.method, path) else {
        return no_route(path);
    };
    match change(route.handler, parameter) {
        Some(change) => match read(body).await {
            Ok(body) => changes::make(admin, change, &body).await,
            Err((status, words)) => answer::error(status, words),
        },
        None => show(admin, route.handler, parameter, &parts),
    }
}

/// The answer where the table has no such path, or the path not this method.
fn no_route(path: &str) -> Response<Body> {
    let methods: Vec<&str> = routes::find(path)
        .flat_map(|(route, _)| match route.method {
            "GET" => &["GET", "HEAD"][..],
            "DELETE" => &["DELETE"],
            _ => &["POST"],
        })
        .copied()
        .collect();
    if methods.is_empty() {
        return not_found();
    }
    let methods = methods.join(", ");
    let words = format!("this URL allows {methods} only");
    let mut response = answer::error(StatusCode::METHOD_NOT_ALLOWED, &words);
    if let Ok(allow) = HeaderValue::from_str(&methods) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn not_found() -> Response<Body> {
    let words = "there is no such thing here; see /, /status, /sessions, /streams, /nodes, /lookups, /recent, /history, /events, \
        /config, /metrics, /livez, /readyz and /startupz";
    answer::error(StatusCode::NOT_FOUND, words)
}

/// The change that a handler makes; `None` for those that only show.
fn change(handler: Handler, parameter: &str) -> Option<Change<'_>> {
    Some(match handler {
        Handler::Drain => Change::Drain,
        Handler::Reload => Change::Reload,
        Handler::LogLevel => Change::LogLevel,
        Handler::Forget => Change::Forget,
        Handler::End => Change::End(parameter),
        Handler::Kick => Change::Kick(parameter),
        _ => return None,
    })
}

async fn read<B>(body: B) -> Result<Bytes, (StatusCode, &'static str)>
where
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let collected = Limited::new(body, MAX_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err((
            StatusCode::BAD_REQUEST,
            "the body is longer than 4096 bytes, or broke off",
        )),
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive within 5 s",
        )),
    }
}

fn show(
    admin: &Admin,
    handler: Handler,
    parameter: &str,
    request: &request::Parts,
) -> Response<Body> {
    let query = request.uri.query().unwrap_or_default();
    let parts = &admin.0;
    match handler {
        Handler::Live => answer::text(StatusCode::OK, "alive\n"),
        Handler::Ready => status::readyz(admin, query),
        Handler::Started => match parts.lifecycle.stage() {
            Stage::Starting => answer::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            Stage::Ready | Stage::Draining | Stage::Drained => {
                answer::text(StatusCode::OK, "started\n")
            }
        },
        Handler::Metrics => metrics(&parts.registries),
        Handler::Status => answer::json(&status::status(admin)),
        Handler::Sessions => sessions::list(&parts.sessions, query),
        Handler::Session => sessions::one(&parts.sessions, parameter),
        Handler::Streams => streams::list(&parts.sessions, query),
        Handler::Nodes => answer::json(&parts.view.nodes(&parts.sessions.by_node())),
        Handler::Lookups => answer::json(&parts.view.lookups()),
        Handler::Recent => answer::json(&incidents::shown(&parts.recent, &parts.proxy)),
        Handler::History => answer::json(&parts.history.shown()),
        Handler::Events => events::listen(admin, &request.method),
        Handler::Config => answer::json(&parts.live_config.snapshot().settings),
        Handler::Clients => red5::clients(&parts.sessions, query),
        Handler::Client => red5::client(&parts.sessions, parameter),
        Handler::RtcProxy => rtcproxy::list(&parts.sessions),
        Handler::RtcProxySessions => rtcproxy::some(&parts.sessions, parameter),
        // The changes are handled by `change`.
        Handler::Page
        | Handler::Drain
        | Handler::Reload
        | Handler::LogLevel
        | Handler::Forget
        | Handler::End
        | Handler::Kick => page::file(request.uri.path()).unwrap_or_else(not_found),
    }
}

fn metrics(registries: &[Registry]) -> Response<Body> {
    let families: Vec<_> = registries.iter().flat_map(Registry::gather).collect();
    match TextEncoder::new().encode_to_string(&families) {
        Ok(encoded) => answer::of(StatusCode::OK, TEXT_FORMAT, encoded),
        Err(error) => answer::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the metrics cannot be encoded: {error}\n"),
        ),
    }
}
