//! The table of routes: what the router serves, and what the reference page says about it.
//!
//! The router finds its handlers in this table, so a route that is not in it does not exist. A test
//! compares the documented fields with the answers of the real handlers.

mod fields;

use self::fields as f;

/// One route.
#[derive(Debug)]
pub struct Route {
    /// The method; GET routes answer HEAD, too.
    pub method: &'static str,
    /// The path; `{name}` is one segment, `{name…}` the rest of the path.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// What it does: one or two sentences.
    pub summary: &'static str,
    /// The parameters of the query.
    pub query: &'static [Field],
    /// The members of the JSON object in the request's body; all are optional unless said.
    pub body: &'static [Field],
    /// The media type of the answer.
    pub media_type: &'static str,
    /// The members of the JSON answer, with dots between levels and `[]` after a list.
    pub answer: &'static [Field],
    /// Statuses besides 403, 404 and 405, which the page explains once.
    pub statuses: &'static [(u16, &'static str)],
    pub(crate) handler: Handler,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Any client that reaches the listener, by any `Host`.
    Any,
    /// Any client that reaches the listener, by a known `Host`.
    Read,
    /// Clients of the Unix socket, and programs on the same host.
    Change,
}

/// One member, or one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type, with the unit of a number.
    pub kind: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// What answers a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    Page,
    Live,
    Ready,
    Started,
    Metrics,
    Status,
    Sessions,
    Session,
    Streams,
    Nodes,
    Lookups,
    Recent,
    History,
    Events,
    Config,
    Clients,
    Client,
    RtcProxy,
    RtcProxySessions,
    Drain,
    Reload,
    LogLevel,
    Forget,
    End,
    Kick,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

impl Route {
    const fn get(
        path: &'static str,
        handler: Handler,
        summary: &'static str,
        media_type: &'static str,
        answer: &'static [Field],
    ) -> Self {
        Self {
            method: "GET",
            path,
            access: Access::Read,
            summary,
            query: &[],
            body: &[],
            media_type,
            answer,
            statuses: &[(200, "the answer")],
            handler,
        }
    }

    const fn change(
        method: &'static str,
        path: &'static str,
        handler: Handler,
        summary: &'static str,
        answer: &'static [Field],
    ) -> Self {
        Self {
            method,
            access: Access::Change,
            ..Self::get(path, handler, summary, JSON, answer)
        }
    }

    const fn open(self) -> Self {
        Self {
            access: Access::Any,
            ..self
        }
    }

    const fn query(self, query: &'static [Field]) -> Self {
        Self { query, ..self }
    }

    const fn body(self, body: &'static [Field]) -> Self {
        Self { body, ..self }
    }

    const fn statuses(self, statuses: &'static [(u16, &'static str)]) -> Self {
        Self { statuses, ..self }
    }

    /// The parameter in the path, if the path matches: the last one, or the whole path without one.
    pub(crate) fn matches<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (mut pattern, mut rest) = (self.path.strip_prefix('/')?, path.strip_prefix('/')?);
        let mut parameter = path;
        loop {
            let (expected, further) = split(pattern);
            if expected.ends_with("…}") {
                return (!rest.is_empty()).then_some(rest);
            }
            let (found, left) = split(rest);
            if expected.starts_with('{') {
                if found.is_empty() {
                    return None;
                }
                parameter = found;
            } else if expected != found {
                return None;
            }
            match (further, left) {
                (None, None) => return Some(parameter),
                (Some(further), Some(left)) => (pattern, rest) = (further, left),
                _ => return None,
            }
        }
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    }
}

const CLIENTS: &str = "/streammanager/api/{version}/admin/proxy/clients";
const CLIENT: &str = "/streammanager/api/{version}/admin/proxy/clients/{id}";
const RTC_PROXY: &str = "/as/v1/admin/rtcproxy/{id…}";

/// Every route, in the order of the reference page.
pub const ROUTES: &[Route] = &[
    Route::get("/livez", Handler::Live, "Liveness probe: the process answers.", TEXT, &[]).open(),
    Route::get("/readyz", Handler::Ready, "Readiness probe: new clients are welcome.", TEXT, &[])
        .open()
        .query(f::READY_QUERY)
        .statuses(&[(200, "ready"), (503, "starting, draining or drained")]),
    Route::get("/startupz", Handler::Started, "Startup probe: every listener is bound.", TEXT, &[])
        .open()
        .statuses(&[(200, "started"), (503, "starting")]),
    Route::get("/metrics", Handler::Metrics, "The metrics, see [metrics.md](metrics.md).", "text/plain; version=0.0.4", &[]).open(),
    Route::get("/", Handler::Page, "The status page.", "text/html", &[]),
    Route::get("/page/{file…}", Handler::Page, "The files of the status page.", "by file", &[]),
    Route::get("/status", Handler::Status, "The state of the process.", JSON, f::STATUS),
    Route::get("/sessions", Handler::Sessions, "The active sessions of this replica, searched, sorted and paged.", JSON, f::SESSIONS)
        .query(f::SESSIONS_QUERY)
        .statuses(&[(200, "one page"), (400, "a parameter is malformed")]),
    Route::get("/sessions/{id}", Handler::Session, "One session.", JSON, f::SESSION),
    Route::get("/streams", Handler::Streams, "The sessions by stream, those with the most viewers first.", JSON, f::STREAMS)
        .query(f::STREAMS_QUERY)
        .statuses(&[(200, "one page"), (400, "a parameter is malformed")]),
    Route::get("/nodes", Handler::Nodes, "The nodes with their health, at most 1000, by address.", JSON, f::NODES),
    Route::get("/lookups", Handler::Lookups, "The cached lookups, at most 1000, the youngest first.", JSON, f::LOOKUPS),
    Route::get("/recent", Handler::Recent, "Recent refusals and errors, the newest first.", JSON, f::RECENT),
    Route::get("/history", Handler::History, "The last 15 minutes in steps of 5 s, the oldest first.", JSON, f::HISTORY),
    Route::get("/events", Handler::Events, "Server-sent events: `status` every 2 s with the object of `/status`, and `history` with each new step. At most 16 open streams.", "text/event-stream", &[])
        .statuses(&[(200, "the stream"), (503, "16 streams are open")]),
    Route::get("/config", Handler::Config, "The active value of every key, with its source. Secrets are in files of their own, and not shown.", JSON, f::CONFIG),
    Route::change("POST", "/drain", Handler::Drain, "Begins a drain, or joins the one in progress. It cannot be undone; the process stays until its signal.", f::DRAIN)
        .body(f::DRAIN_BODY)
        .statuses(&[(202, "begun"), (200, "finished, with `wait`"), (400, "the body is malformed")]),
    Route::change("POST", "/reload", Handler::Reload, "Reads configuration, certificate, session keys, secrets of TURN servers and the list of nodes again, as SIGHUP does.", f::RELOAD)
        .statuses(&[(200, "the result, part by part, failures included"), (400, "the body is not empty")]),
    Route::change("POST", "/log-level", Handler::LogLevel, "Sets a temporary log filter; the configured one is restored automatically.", f::LOG_LEVEL)
        .body(f::LOG_LEVEL_BODY)
        .statuses(&[(200, "set"), (400, "the filter or the duration is malformed"), (409, "the process has another log")]),
    Route::change("POST", "/lookups/forget", Handler::Forget, "Drops the cached lookups of one stream, or of all.", f::FORGET)
        .body(f::FORGET_BODY)
        .statuses(&[(200, "dropped"), (400, "the body is malformed")]),
    Route::change("POST", "/sessions/{id}/end", Handler::End, "Ends a session: a DELETE to its node, or a Close of its WebSocket.", f::END)
        .statuses(&[(202, "begun"), (400, "the body is not empty")]),
    Route::get(CLIENTS, Handler::Clients, "The WebSocket sessions in the form of Stream Manager 1.x (Red5 Pro, REST API 4.0, Proxy API).", JSON, f::CLIENTS)
        .query(f::CLIENTS_QUERY)
        .statuses(&[(200, "a list, or the count"), (400, "the filter is malformed")]),
    Route::get(CLIENT, Handler::Client, "One of them.", JSON, f::CLIENT),
    Route::change("DELETE", CLIENT, Handler::End, "Ends it.", f::END)
        .statuses(&[(202, "begun")]),
    Route::get("/as/v1/admin/rtcproxy", Handler::RtcProxy, "The sessions in the form of Stream Manager 2.0 (Red5 Pro, Admin API, List Proxy Sessions).", JSON, f::RTC_PROXY),
    Route::get(RTC_PROXY, Handler::RtcProxySessions, "The session of this id, or those of the stream of this guid.", JSON, f::RTC_PROXY),
    Route::change("DELETE", RTC_PROXY, Handler::Kick, "Ends them (Kick Proxy Session); the answer has no body.", &[]),
];

/// The routes of this path, with its parameter.
pub(crate) fn find(path: &str) -> impl Iterator<Item = (&'static Route, &str)> {
    ROUTES
        .iter()
        .filter_map(move |route| Some((route, route.matches(path)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handlers(path: &str) -> Vec<Handler> {
        find(path).map(|(route, _)| route.handler).collect()
    }

    #[test]
    fn odd_paths_have_no_route() {
        for path in [
            "",
            "*",
            "//",
            "/status/",
            "/Status",
            "/sessions/a/b",
            "/sessions/a/end/",
            "/sessions/",
            "/metrics/x",
            "/streammanager/api/4.0/admin/proxy",
            "/as/v1/admin/rtcproxy/",
            "/as/v1/admin",
            "/%73tatus",
            "/../status",
        ] {
            assert_eq!(handlers(path), [], "{path:?}");
        }
    }

    #[test]
    fn a_path_gives_its_parameter() {
        let parameter = |path: &'static str| find(path).next().unwrap().1;
        assert_eq!(parameter("/sessions/1f/end"), "1f");
        assert_eq!(handlers("/sessions/1f/end"), [Handler::End]);
        assert_eq!(parameter("/as/v1/admin/rtcproxy/live/s1"), "live/s1");
        assert_eq!(
            parameter("/streammanager/api/4.0/admin/proxy/clients/7"),
            "7"
        );
        assert_eq!(parameter("/page/js/main.js"), "js/main.js");
        assert_eq!(parameter("/"), "/");
    }
}
