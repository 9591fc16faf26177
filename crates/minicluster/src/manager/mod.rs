//! The Stream Manager: API 4.0 and the API of 2.0 over plain HTTP, and the pages it serves beside them.

mod admin;
mod event;
mod lookup;
mod streams;
mod turns;

use std::sync::{Arc, Mutex, PoisonError};

use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use serde_json::json;

use crate::config::Config;
use crate::fault::{Lie, Switch};
use crate::listener::Handler;
use crate::node::NodeState;
use crate::registry::{Registry, unix_millis};
use crate::reply::{self, AnyBody, Reply};
use crate::seen::Seen;

pub(crate) use turns::Turns;

const API: &str = "/streammanager/api/4.0/";

/// The manager's part of the cluster.
pub(crate) struct ManagerState {
    pub(crate) config: Arc<Config>,
    pub(crate) nodes: Vec<Arc<NodeState>>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) switch: Arc<Switch>,
    pub(crate) lie: Mutex<Option<Lie>>,
    pub(crate) turns: Mutex<Turns>,
}

impl ManagerState {
    fn lie(&self) -> Option<Lie> {
        self.lie
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The manager as its listener sees it.
pub(crate) struct ManagerHandler(pub(crate) Arc<ManagerState>);

impl Handler for ManagerHandler {
    async fn handle(&self, request: Request<Incoming>) -> Response<AnyBody> {
        reply::whole(route(
            &self.0,
            request.method(),
            request.uri().path(),
            request.uri().query().unwrap_or_default(),
            streams::bearer(request.headers()),
        ))
    }
}

fn route(
    manager: &ManagerState,
    method: &Method,
    path: &str,
    query: &str,
    bearer: Option<&str>,
) -> Reply {
    if let Some(call) = path.strip_prefix(streams::API) {
        return streams::answer(manager, method, call, query, bearer);
    }
    if let Some(call) = path.strip_prefix(API) {
        let mut answer = match call.split_once('/') {
            _ if method != Method::GET => failure(405, "Only GET is answered here."),
            Some(("event", rest)) => event::answer(manager, rest, query),
            Some(("admin", rest)) => admin::answer(manager, rest, query),
            _ => failure(404, "No such call."),
        };
        answer
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return answer;
    }
    match manager.config.pages.iter().find(|page| page.path == path) {
        Some(page) if method == Method::GET || method == Method::HEAD => {
            reply::body(200, page.content_type, page.body)
        }
        Some(_) => reply::text(405, "Method not allowed."),
        None => reply::tomcat_not_found(),
    }
}

/// The error body of API 4.0.
fn failure(status: u16, message: &str) -> Reply {
    reply::json(
        status,
        &json!({"errorMessage": message, "timestamp": unix_millis()}),
    )
}
