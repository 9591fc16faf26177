//! The nodes of the built-in cluster, which can be killed and revived to see a failover.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use whipstitch_minicluster::{Cluster, Node};

use super::{Reply, text};

/// The nodes, numbered from 1; none in front of a Stream Manager of one's own.
#[derive(Clone)]
pub(crate) struct Nodes(Option<Arc<Cluster>>);

impl Nodes {
    pub(crate) fn of(cluster: Option<Arc<Cluster>>) -> Self {
        Self(cluster)
    }

    /// Kills a node that runs, and revives one that does not; says in words what has happened.
    pub(crate) async fn toggle(&self, number: usize) -> String {
        match self.get(number) {
            Some(node) => {
                let alive = !node.is_alive();
                match set(node, alive).await {
                    Ok(()) if alive => format!("Node {number} ({}) runs again.", node.ip()),
                    Ok(()) => format!("Node {number} ({}) is dead.", node.ip()),
                    Err(error) => format!("Node {number} cannot be revived: {error}."),
                }
            }
            None => format!("There is no node {number}."),
        }
    }

    /// `NUMBER/kill` or `NUMBER/revive`.
    pub(super) async fn change(&self, call: &str) -> Reply {
        let Some((number, verb)) = call.split_once('/') else {
            return text(StatusCode::NOT_FOUND, "No such call.");
        };
        let alive = match verb {
            "kill" => false,
            "revive" => true,
            _ => return text(StatusCode::NOT_FOUND, "A node is killed or revived."),
        };
        let node = number.parse().ok().and_then(|number| self.get(number));
        let Some(node) = node else {
            return text(StatusCode::NOT_FOUND, "There is no such node.");
        };
        match set(node, alive).await {
            Ok(()) => text(StatusCode::OK, "Done."),
            Err(error) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("The node cannot be revived: {error}."),
            ),
        }
    }

    /// How each of them is; `null` if there are none to kill.
    pub(super) fn show(&self) -> Value {
        let Some(cluster) = &self.0 else {
            return Value::Null;
        };
        let nodes = (1..).zip(cluster.nodes());
        nodes
            .map(|(number, node): (usize, &Node)| {
                json!({
                    "number": number, "address": node.ip().to_string(), "region": node.region(),
                    "alive": node.is_alive(), "sessions": node.sessions(),
                })
            })
            .collect()
    }

    fn get(&self, number: usize) -> Option<&Node> {
        self.0.as_ref()?.node(number.checked_sub(1)?)
    }
}

async fn set(node: &Node, alive: bool) -> std::io::Result<()> {
    if alive {
        node.revive().await
    } else {
        node.die().await;
        Ok(())
    }
}
