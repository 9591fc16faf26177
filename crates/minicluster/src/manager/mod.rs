//! The Stream Manager: API 4.0 and the API of 2.0 over plain HTTP, and the pages it serves beside
//! them.

mod admin;
mod admin_2_0;
mod choice;
mod event;
mod failure;
mod provision;
mod question;
mod request;
mod streams;
mod tokens;
mod turns;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;

use self::failure::of_1_x as failure;
use self::request::ManagerRequest;
use crate::config::Config;
use crate::fault::{Lie, Switch};
use crate::listener::{Handler, Peer};
use crate::node::NodeState;
use crate::registry::Registry;
use crate::reply::{self, Reply, ReplyBody};
use crate::seen::Seen;

pub(crate) use provision::Provisions;
pub(crate) use tokens::Tokens;
pub(crate) use turns::Turns;

const API: &str = "/streammanager/api/4.0/";
/// The name of 2.0 for the only node group there is.
const ONLY_GROUP: &str = "default";

/// The manager's part of the cluster.
pub(crate) struct ManagerState {
    pub(crate) config: Arc<Config>,
    pub(crate) nodes: Vec<Arc<NodeState>>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) switch: Arc<Switch>,
    pub(crate) lie: Mutex<Option<Lie>>,
    pub(crate) turns: Mutex<Turns>,
    pub(crate) provisions: Provisions,
    pub(crate) tokens: Tokens,
}

impl ManagerState {
    fn lie(&self) -> Option<Lie> {
        self.lie
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The names of the node groups.
    fn groups(&self) -> Vec<&str> {
        let names = self.nodes.iter().map(|node| node.about.group.as_str());
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether this node belongs to the group of this name.
    fn is_group(&self, name: &str, node: &NodeState) -> bool {
        node.about.group == name || (name == ONLY_GROUP && self.groups().len() == 1)
    }

    /// The nodes of the group of this name; `None` if there is no such group.
    fn in_group(&self, name: &str) -> Option<Vec<&NodeState>> {
        let nodes = self.nodes.iter().map(AsRef::as_ref);
        let nodes: Vec<&NodeState> = nodes.filter(|node| self.is_group(name, node)).collect();
        (!nodes.is_empty()).then_some(nodes)
    }

    /// The region that is best for the client of this request.
    fn region_of(&self, asked: &ManagerRequest<'_>) -> Option<&str> {
        let client = asked.client()?;
        let mut networks = self.config.networks.iter();
        let (_, region) = networks.find(|(network, _)| network.contains(&client))?;
        Some(region)
    }
}

/// The manager as its listener sees it.
pub(crate) struct ManagerHandler(pub(crate) Arc<ManagerState>);

impl Handler for ManagerHandler {
    async fn handle(&self, request: Request<Incoming>) -> Response<ReplyBody> {
        let (head, incoming) = request.into_parts();
        let body = match reply::read(incoming).await {
            Ok(body) => body,
            Err(answer) => return reply::whole(answer),
        };
        reply::whole(route(
            &self.0,
            &ManagerRequest {
                method: &head.method,
                path: head.uri.path(),
                query: head.uri.query().unwrap_or_default(),
                headers: &head.headers,
                body: &body,
                peer: head.extensions.get::<Peer>().map(|peer| peer.0),
            },
        ))
    }
}

fn route(manager: &ManagerState, asked: &ManagerRequest<'_>) -> Reply {
    let (method, path) = (asked.method, asked.path);
    if let Some(call) = path.strip_prefix(streams::API) {
        return streams::answer(manager, asked, call);
    }
    if let Some(call) = path.strip_prefix(API) {
        let mut answer = match call.split_once('/') {
            Some(("admin", rest)) => admin::answer(manager, asked, rest),
            _ if method != Method::GET => failure(405, "Only GET is answered here."),
            Some(("event", rest)) => event::answer(manager, asked, rest),
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
