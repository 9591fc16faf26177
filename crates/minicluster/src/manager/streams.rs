//! The API of Stream Manager 2.0 beside that of 1.x: lookups, which name nodes in a list whatever is asked, and the
//! state of a node group (Red5 Pro documentation, Stream Manager 2.0).
//!
//! Its proxy is not here: that is what stands in front of it.

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};

use super::ManagerState;
use super::lookup::Lookup;
use crate::fault::Lie;
use crate::node::NodeState;
use crate::reply::{self, Reply};
use crate::seen::Action;
use crate::stream::{StreamKey, percent_decode};

/// What every path begins with.
pub(super) const API: &str = "/as/v1/";

/// The names of the only node group: its own, and the alias that means the only one.
const GROUPS: [&str; 2] = ["minicluster", "default"];

/// Answer `/as/v1/{call}`.
pub(super) fn answer(
    manager: &ManagerState,
    method: &Method,
    call: &str,
    query: &str,
    bearer: Option<&str>,
) -> Reply {
    let mut answer = match call {
        _ if method != Method::GET => failure(405, "Only GET is answered here."),
        call => match call.split_once('/') {
            Some(("streams", rest)) => lookup(manager, rest, query),
            Some(("admin", rest)) => admin(manager, rest, bearer),
            _ => failure(404, "No such call."),
        },
    };
    answer.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    answer
}

/// The token of `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ")
}

/// `stream/{nodeGroup}/{publish|subscribe}/{guid}`
fn lookup(manager: &ManagerState, rest: &str, query: &str) -> Reply {
    let mut parts = rest.splitn(4, '/');
    let (Some("stream"), Some(group), Some(action), Some(guid)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return failure(404, "No such call.");
    };
    let action = match action {
        "publish" => Action::Broadcast,
        "subscribe" => Action::Subscribe,
        _ => return failure(404, "No such call."),
    };
    let Some((scope, name)) = guid
        .rsplit_once('/')
        .filter(|(scope, name)| !scope.is_empty() && !name.is_empty())
    else {
        return failure(400, "A stream guid is wanted.");
    };
    let key = StreamKey::new(&percent_decode(scope), &percent_decode(name));
    let path = rest.strip_prefix("stream/").unwrap_or(rest);
    let lookup = match Lookup::of_2_0(action, query) {
        Ok(lookup) => lookup,
        Err(reason) => return failure(400, reason),
    };
    manager.seen.lookup(action, &key, path, query);
    if !GROUPS.contains(&group) {
        return failure(404, &format!("Node group {group} is not found."));
    }
    if let Some(lie) = manager.lie() {
        return told(manager, &key, lie);
    }
    match lookup.named_nodes(manager, &key) {
        Ok(nodes) => list(nodes.into_iter().map(|node| entry(manager, &key, node))),
        Err(message) => failure(404, &message),
    }
}

fn entry(manager: &ManagerState, key: &StreamKey, node: &NodeState) -> Value {
    let live = manager.registry.live(key);
    let subscribers = live.map_or(0, |live| live.players.len());
    json!({
        "streamGuid": format!("{}/{}", key.scope, key.name), "serverAddress": node.server_address(),
        "nodeRole": "allinone", "subGroup": node.about.region, "nodeState": node.stage().as_str_2_0(),
        "subscribers": subscribers,
    })
}

/// `nodegroup/status/{nodeGroup}`. The documentation names the states; an entry is worded like that of a lookup.
fn admin(manager: &ManagerState, rest: &str, bearer: Option<&str>) -> Reply {
    if bearer != Some(manager.config.access_token.as_str()) {
        return failure(401, "A Bearer token is wanted.");
    }
    match rest.strip_prefix("nodegroup/status/") {
        Some(group) if GROUPS.contains(&group) => list(manager.nodes.iter().map(|node| {
            json!({
                "serverAddress": node.server_address(), "nodeRole": "allinone",
                "subGroup": node.about.region, "nodeState": node.stage().as_str_2_0(),
            })
        })),
        Some(group) => failure(404, &format!("Node group {group} is not found.")),
        None => failure(404, "No such call."),
    }
}

fn list(entries: impl Iterator<Item = Value>) -> Reply {
    reply::json(200, &entries.collect())
}

/// The error body of 2.0.
fn failure(status: u16, message: &str) -> Reply {
    reply::json(status, &json!({ "error": message }))
}

/// The answer of a manager that does not tell the truth.
fn told(manager: &ManagerState, key: &StreamKey, lie: Lie) -> Reply {
    let truth = manager.nodes.first().map(|node| entry(manager, key, node));
    match lie {
        Lie::Html => reply::body(
            200,
            "text/html;charset=utf-8",
            "<!doctype html><title>Sign in</title><h1>Sign in</h1>",
        ),
        Lie::Array => list(truth.into_iter()),
        Lie::ErrorMessage(message) => failure(200, &message),
        Lie::Huge(bytes) => {
            let padding = "x".repeat(bytes.min(64 << 20).saturating_sub(16));
            reply::body(
                200,
                "application/json",
                format!("[{{\"padding\":\"{padding}\"}}]"),
            )
        }
        Lie::Garbage => reply::body(
            200,
            "application/json",
            &b"[{\"serverAddress\":\xff\x00"[..],
        ),
        Lie::ServerAddress(address) => list(std::iter::once(json!({
            "streamGuid": format!("{}/{}", key.scope, key.name), "serverAddress": address,
        }))),
    }
}
