//! The part of the admin API of 1.x that names node groups and nodes and keeps provisions; all of
//! it asks for `accessToken`.

use http::Method;
use serde_json::{Value, json};

use super::ManagerState;
use super::failure::of_1_x as failure;
use super::provision::{Provision, ProvisionError};
use super::request::ManagerRequest;
use crate::node::NodeState;
use crate::registry::unix_millis;
use crate::reply::{self, Reply};
use crate::stream::{StreamKey, percent_decode, raw_param};

/// Answer `/admin/{rest}`.
pub(super) fn answer(manager: &ManagerState, asked: &ManagerRequest<'_>, rest: &str) -> Reply {
    if raw_param(asked.query, "accessToken") != Some(manager.config.access_token.as_str()) {
        return failure(401, "An accessToken is wanted.");
    }
    if let Some(stream) = rest.strip_prefix("event/meta/") {
        return provision(manager, asked, stream);
    }
    if asked.method != Method::GET {
        return failure(405, "Only GET is answered here.");
    }
    let path: Vec<&str> = rest.split('/').collect();
    match path.as_slice() {
        ["nodegroup"] => reply::json(
            200,
            &manager
                .groups()
                .into_iter()
                .map(|name| group(manager, name))
                .collect(),
        ),
        ["nodegroup", name, "node"] if manager.groups().contains(name) => {
            let nodes = manager.in_group(name).unwrap_or_default();
            reply::json(200, &nodes.into_iter().map(entry).collect())
        }
        ["nodegroup", _, "node"] => failure(404, "No such node group."),
        _ => failure(404, "No such call."),
    }
}

/// `event/meta/{scope…}/{stream}`
fn provision(manager: &ManagerState, asked: &ManagerRequest<'_>, stream: &str) -> Reply {
    let Some((scope, name)) = stream
        .rsplit_once('/')
        .filter(|(scope, name)| !scope.is_empty() && !name.is_empty())
    else {
        return failure(400, "A scope and a stream name are wanted.");
    };
    let key = StreamKey::new(&percent_decode(scope), &percent_decode(name));
    let guid = format!("{}/{}", key.scope, key.name);
    let found = match asked.method.as_str() {
        "POST" => match Provision::of_1_x(&key, asked.body) {
            Ok(new) => match manager.provisions.create(vec![new.clone()]) {
                Ok(()) => Some(new),
                Err(ProvisionError::Exists) => return failure(400, "The provision exists."),
                Err(ProvisionError::Full) => return failure(400, "There are too many provisions."),
            },
            Err(reason) => return failure(400, reason),
        },
        "GET" => manager.provisions.get(&guid),
        "DELETE" => manager.provisions.remove(&guid),
        _ => return failure(405, "Method not allowed."),
    };
    match found {
        Some(provision) => reply::json(
            200,
            &json!({
                "name": key.name, "scope": key.scope, "data": provision.body, "updated": unix_millis(),
            }),
        ),
        None => failure(404, "No such provision."),
    }
}

fn group(manager: &ManagerState, name: &str) -> Value {
    let nodes = manager.in_group(name).unwrap_or_default();
    let regions: Vec<&str> = nodes
        .iter()
        .map(|node| node.about.region.as_str())
        .collect();
    json!({"name": name, "regions": regions, "state": "active"})
}

fn entry(node: &NodeState) -> Value {
    json!({
        "identifier": format!("minicluster-node-{}", node.index),
        "role": node.about.role.as_str(),
        "availabilityZone": node.about.zone.as_ref().unwrap_or(&node.about.region),
        "address": node.server_address(),
        "state": node.stage().as_str(),
        "launchConfig": "default",
        "capacity": crate::registry::SESSIONS_PER_NODE,
    })
}
