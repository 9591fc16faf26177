//! The nodes as the verdict sees them.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use super::View;

/// Time without a name or a failure after which an ejected node does not count any more.
const FORGOTTEN: Duration = Duration::from_mins(10);

/// The nodes that matter: ejected ones that are neither named nor tried any more do not.
#[derive(Clone, Debug, Default)]
pub(crate) struct JudgedNodes {
    pub(crate) healthy: usize,
    pub(crate) ejected: Vec<EjectedNode>,
}

/// A node that is ejected, or on its way back.
#[derive(Clone, Debug)]
pub(crate) struct EjectedNode {
    pub(crate) address: IpAddr,
    pub(crate) since: SystemTime,
    /// Why it last failed.
    pub(crate) error: Option<String>,
}

impl View {
    /// The nodes as the verdict sees them. an ejected node that is neither named nor tried for a
    /// while has left the cluster, and says nothing of how clients are served.
    pub(crate) fn judged_nodes(&self) -> JudgedNodes {
        let named: BTreeMap<IpAddr, Duration> = self.allowed.named().into_iter().collect();
        let now = SystemTime::now();
        let is_recent = |ago: Duration| ago < FORGOTTEN;
        let mut nodes = JudgedNodes {
            healthy: self.node_counts().healthy,
            ejected: Vec::new(),
        };
        for seen in self.health.seen() {
            let failed = seen.last_failure.as_ref().map(|(_, ago)| *ago);
            let named = named.get(&seen.address).copied();
            let Some(ago) = seen.unhealthy_for else {
                continue;
            };
            if named.is_some_and(is_recent) || failed.is_some_and(is_recent) {
                nodes.ejected.push(EjectedNode {
                    address: seen.address,
                    since: now.checked_sub(ago).unwrap_or(now),
                    error: seen.last_failure.map(|(cause, _)| cause.to_string()),
                });
            }
        }
        nodes.ejected.sort_by_key(|node| node.address);
        nodes
    }
}
