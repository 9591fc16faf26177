//! The part of the admin API that names node groups and nodes; all of it asks for `accessToken`.

use serde_json::{Value, json};

use super::{ManagerState, failure};
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
                .map(|node| node.region.as_str())
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
        .map(|node| {
            json!({
                "identifier": format!("minicluster-node-{}", node.index), "role": "origin", "availabilityZone": node.region,
                "address": node.ip.to_string(), "state": if node.switch.is_dead() { "terminating" } else { "inservice" },
                "launchConfig": "default", "capacity": crate::registry::SESSIONS_PER_NODE,
            })
        })
        .collect()
}
