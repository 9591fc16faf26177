//! What the page shows beside its two panels, in one answer.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{Nodes, Reply, Upstream, bytes, live::Live};

/// What is known only when the proxy listens.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The proxy's status page.
    pub(crate) status_page: String,
    /// The page as other machines reach it; `None` if they do not.
    pub(crate) shared: Option<String>,
}

/// The state of the demo.
pub(crate) struct State {
    pub(crate) nodes: Nodes,
    facts: OnceLock<Facts>,
    live: Live,
}

impl State {
    pub(crate) fn of(nodes: Nodes) -> Self {
        Self {
            nodes,
            facts: OnceLock::new(),
            live: Live::default(),
        }
    }

    /// Says what is known now. Only the first call counts.
    pub(crate) fn tell(&self, facts: Facts) {
        let _ = self.facts.set(facts);
    }

    pub(super) async fn show(&self, upstream: &Upstream) -> Reply {
        let facts = self.facts.get();
        let state = json!({
            "statusPage": facts.map(|facts| facts.status_page.as_str()),
            "shared": facts.and_then(|facts| facts.shared.as_deref()),
            "nodes": self.nodes.show(),
            "streams": self.live.streams(upstream).await.map_or(Value::Null, Value::from),
        });
        bytes("application/json", state.to_string())
    }
}
