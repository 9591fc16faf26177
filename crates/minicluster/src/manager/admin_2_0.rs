//! The administration of 2.0: the health check, the node groups and their nodes (Red5 Pro
//! documentation, Stream Manager 2.0, Admin API).
//!
//! The list of groups is one of names; the state of a group is one of nodes, each with its latest
//! `nodeEvent` (who and where it is) and `scalingEvent` (its state).

use http::Method;
use serde_json::{Value, json};

use super::ManagerState;
use super::failure::{NO_TOKEN, of_2_0 as failure};
use super::request::ManagerRequest;
use crate::node::NodeState;
use crate::registry::unix_millis;
use crate::reply::{self, Reply};

/// Answer `/as/v1/admin/{rest}`.
pub(super) fn answer(manager: &ManagerState, asked: &ManagerRequest<'_>, rest: &str) -> Reply {
    // The health check of load balancers is the only call that asks for no token.
    if rest == "healthz" {
        return reply::text(200, "OK");
    }
    if !manager.tokens.holds(asked.bearer()) {
        return failure(401, NO_TOKEN);
    }
    if asked.method != Method::GET {
        return failure(405, "Only GET is answered here.");
    }
    if rest == "nodegroup" {
        return reply::json(200, &manager.groups().into());
    }
    match rest.strip_prefix("nodegroup/status/") {
        Some(group) => match manager.in_group(group) {
            Some(nodes) => reply::json(200, &nodes.into_iter().map(state).collect()),
            None => failure(404, "No master NodeGroupConfig found."),
        },
        None => failure(404, "No such call."),
    }
}

fn state(node: &NodeState) -> Value {
    let (id, ip) = (
        format!("minicluster-node-{}", node.index),
        node.ip.to_string(),
    );
    let (role, now) = (node.about.role.as_str_2_0(), unix_millis());
    let (group, subgroup) = (&node.about.group, &node.about.region);
    json!({
        "nodeEvent": {
            "nodeGroupName": group, "subGroupName": subgroup, "nodeId": id, "nodeRoleName": role,
            "publicIp": ip, "privateIp": ip, "timestamp": now,
        },
        "scalingEvent": {
            "nodeGroupName": group, "subGroupName": subgroup, "nodeId": id, "nodeRoleName": role,
            "state": node.stage().as_str_2_0(), "timestamp": now,
        },
    })
}
