//! The part of the admin API that names node groups and nodes; all of it asks for `accessToken`.

use serde_json::{Value, json};

use super::{ManagerState, failure};
use crate::node::NodeState;
use crate::reply::{self, Reply};
use crate::stream::raw_param;

const GROUP: &str = "minicluster";

/// Answer `/admin/{rest}`.
pub(crate) fn answer(manager: &ManagerState, rest: &str, query: &str) -> Reply {
    if raw_param(query, "accessToken") != Some(manager.config.access_token.as_str()) {
        return failure(401, "An accessToken is wanted.");
    }
    let path: Vec<&str> = rest.split('/').collect();
    match path.as_slice() {
        ["nodegroup"] => {
            let regions: Vec<&str> = manager
                .nodes
                .iter()
                .map(|node| node.about.region.as_str())
                .collect();
            reply::json(
                200,
                &json!([{"name": GROUP, "regions": regions, "state": "active"}]),
            )
        }
        ["nodegroup", GROUP, "node"] => reply::json(200, &nodes(manager)),
        ["nodegroup", _, "node"] => failure(404, "No such node group."),
        _ => failure(404, "No such call."),
    }
}

fn nodes(manager: &ManagerState) -> Value {
    manager
        .nodes
        .iter()
        .map(|node| entry(manager, node))
        .collect()
}

fn entry(manager: &ManagerState, node: &NodeState) -> Value {
    let transcodes = !manager.config.provisions.is_empty() && node.index + 1 == manager.nodes.len();
    json!({
        "identifier": format!("minicluster-node-{}", node.index),
        "role": if transcodes { "transcoder" } else { "origin" },
        "availabilityZone": node.about.zone.as_ref().unwrap_or(&node.about.region),
        "address": node.server_address(),
        "state": node.stage().as_str(),
        "launchConfig": "default",
        "capacity": crate::registry::SESSIONS_PER_NODE,
    })
}
