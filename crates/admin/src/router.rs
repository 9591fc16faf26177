//! Which path is what, and what it allows.

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
    events, incidents, page, red5, rtcproxy, status,
};

/// Longest body of a change, in bytes.
const MAX_BODY: usize = 4096;
/// Longest wait for it.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'p> {
    /// A file of the status page.
    Page(&'p str),
    Live,
    Ready,
    Started,
    Metrics,
    Status,
    Sessions,
    Session(&'p str),
    Nodes,
    Lookups,
    Recent,
    History,
    Events,
    Config,
    /// The sessions as Red5's own API shows them.
    Clients,
    Client(&'p str),
    /// The same of Stream Manager 2.0.
    RtcProxy,
    RtcProxySessions(&'p str),
    Change(Change<'p>),
}

impl<'p> Route<'p> {
    fn of(path: &'p str) -> Option<Self> {
        let rest = path.strip_prefix('/')?;
        // A guid has slashes.
        if let Some(id) = rest.strip_prefix("as/v1/admin/rtcproxy/") {
            return (!id.is_empty()).then_some(Self::RtcProxySessions(id));
        }
        Some(match rest.split('/').collect::<Vec<_>>()[..] {
            [""] | ["page", ..] => Self::Page(path),
            ["livez"] => Self::Live,
            ["readyz"] => Self::Ready,
            ["startupz"] => Self::Started,
            ["metrics"] => Self::Metrics,
            ["status"] => Self::Status,
            ["sessions"] => Self::Sessions,
            ["sessions", id] => Self::Session(id),
            ["sessions", id, "end"] => Self::Change(Change::End(id)),
            ["nodes"] => Self::Nodes,
            ["lookups"] => Self::Lookups,
            ["lookups", "forget"] => Self::Change(Change::Forget),
            ["recent"] => Self::Recent,
            ["history"] => Self::History,
            ["events"] => Self::Events,
            ["config"] => Self::Config,
            ["as", "v1", "admin", "rtcproxy"] => Self::RtcProxy,
            ["drain"] => Self::Change(Change::Drain),
            ["reload"] => Self::Change(Change::Reload),
            ["log-level"] => Self::Change(Change::LogLevel),
            ["streammanager", "api", _, "admin", "proxy", "clients"] => Self::Clients,
            ["streammanager", "api", _, "admin", "proxy", "clients", id] => Self::Client(id),
            _ => return None,
        })
    }

    /// Probes and metrics hold no personal data, and are asked by any `Host`.
    fn is_open(self) -> bool {
        matches!(
            self,
            Self::Live | Self::Ready | Self::Started | Self::Metrics
        )
    }

    fn allow(self) -> &'static str {
        match self {
            Self::Change(_) => "POST",
            Self::Client(_) | Self::RtcProxySessions(_) => "GET, HEAD, DELETE",
            _ => "GET, HEAD",
        }
    }

    /// The change that this method makes here.
    fn change(self, method: &Method) -> Option<Change<'p>> {
        match self {
            Self::Change(change) if *method == Method::POST => Some(change),
            Self::Client(id) if *method == Method::DELETE => Some(Change::End(id)),
            Self::RtcProxySessions(id) if *method == Method::DELETE => Some(Change::Kick(id)),
            _ => None,
        }
    }
}

/// Answers one request.
pub(super) async fn answer<B>(
    admin: &Admin,
    listener: Listener,
    request: Request<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (parts, body) = request.into_parts();
    let Some(route) = Route::of(parts.uri.path()) else {
        return nothing();
    };
    if !route.is_open()
        && let Err(words) = listener.may_read(&parts.headers, &admin.0.facts.hosts)
    {
        return answer::error(StatusCode::FORBIDDEN, words);
    }
    if let Some(change) = route.change(&parts.method) {
        if let Err(words) = listener.may_change(&parts.headers) {
            return answer::error(StatusCode::FORBIDDEN, words);
        }
        return match read(body).await {
            Ok(body) => changes::make(admin, change, &body).await,
            Err((status, words)) => answer::error(status, words),
        };
    }
    if !matches!(parts.method, Method::GET | Method::HEAD) || matches!(route, Route::Change(_)) {
        let words = format!("this URL allows {} only", route.allow());
        let mut response = answer::error(StatusCode::METHOD_NOT_ALLOWED, &words);
        let allow = HeaderValue::from_static(route.allow());
        response.headers_mut().insert(header::ALLOW, allow);
        return response;
    }
    show(admin, route, &parts)
}

fn nothing() -> Response<Body> {
    let words = "there is no such thing here; see /, /status, /sessions, /nodes, /lookups, /recent, /history, /events, \
        /config, /metrics, /livez, /readyz and /startupz";
    answer::error(StatusCode::NOT_FOUND, words)
}

async fn read<B>(body: B) -> Result<Bytes, (StatusCode, &'static str)>
where
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let collected = Limited::new(body, MAX_BODY).collect();
    match tokio::time::timeout(BODY_WITHIN, collected).await {
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

fn show(admin: &Admin, route: Route<'_>, parts: &request::Parts) -> Response<Body> {
    let query = parts.uri.query().unwrap_or_default();
    let parts_of = &admin.0;
    match route {
        Route::Page(path) => page::file(path).unwrap_or_else(nothing),
        Route::Live => answer::text(StatusCode::OK, "alive\n"),
        Route::Ready => status::readyz(admin, query),
        Route::Started => match parts_of.lifecycle.stage() {
            Stage::Starting => answer::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            Stage::Ready | Stage::Draining | Stage::Drained => {
                answer::text(StatusCode::OK, "started\n")
            }
        },
        Route::Metrics => metrics(&parts_of.registries),
        Route::Status => answer::json(&status::status(admin)),
        Route::Sessions => super::sessions::list(&parts_of.sessions, query),
        Route::Session(id) => super::sessions::one(&parts_of.sessions, id),
        Route::Nodes => answer::json(&parts_of.view.nodes(&parts_of.sessions.by_node())),
        Route::Lookups => answer::json(&parts_of.view.lookups()),
        Route::Recent => answer::json(&incidents::shown(&parts_of.recent)),
        Route::History => answer::json(&parts_of.history.shown()),
        Route::Events => events::listen(admin, &parts.method),
        Route::Config => answer::json(&parts_of.live_config.snapshot().settings),
        Route::Clients => red5::clients(&parts_of.sessions, query),
        Route::Client(id) => red5::client(&parts_of.sessions, id),
        Route::RtcProxy => rtcproxy::list(&parts_of.sessions),
        Route::RtcProxySessions(id) => rtcproxy::some(&parts_of.sessions, id),
        // Answered before.
        Route::Change(_) => answer::error(StatusCode::METHOD_NOT_ALLOWED, "this is a change"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_are_nothing() {
        for path in [
            "",
            "*",
            "//",
            "/status/",
            "/Status",
            "/sessions/a/b",
            "/sessions/a/end/",
            "/metrics/x",
            "/streammanager/api/4.0/admin/proxy",
            "/as/v1/admin/rtcproxy/",
            "/as/v1/admin",
            "/%73tatus",
            "/../status",
        ] {
            assert_eq!(Route::of(path), None, "{path:?}");
        }
        assert_eq!(
            Route::of("/sessions/1f/end"),
            Some(Route::Change(Change::End("1f")))
        );
    }
}
