//! The nodes that count, for the verdict and the metrics alike.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use whipstitch_origin::health::{OutlierState, Seen};

use super::View;

/// Time without a name or a request after which a node has left the cluster.
const FORGOTTEN: Duration = Duration::from_mins(10);

/// Number of nodes by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// Tried in their order.
    pub healthy: usize,
    /// Tried only if there is no other.
    pub ejected: usize,
    /// Probed: one attempt a second.
    pub returning: usize,
}

/// The nodes as the verdict sees them.
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
    /// Number of nodes by state.
    pub fn node_counts(&self) -> NodeCounts {
        let mut counts = NodeCounts::default();
        for seen in self.present().into_values() {
            match seen.map_or(OutlierState::Healthy, |seen| seen.state) {
                OutlierState::Healthy => counts.healthy += 1,
                OutlierState::Ejected { .. } => counts.ejected += 1,
                OutlierState::Probing => counts.returning += 1,
            }
        }
        counts
    }

    /// The same nodes with what makes them unhealthy, in the order of their addresses.
    pub(crate) fn judged_nodes(&self) -> JudgedNodes {
        let now = SystemTime::now();
        let mut nodes = JudgedNodes::default();
        for (address, seen) in self.present() {
            let unhealthy = seen.and_then(|seen| Some((seen.unhealthy_for?, seen.last_failure)));
            let Some((ago, failure)) = unhealthy else {
                nodes.healthy += 1;
                continue;
            };
            nodes.ejected.push(EjectedNode {
                address,
                since: now.checked_sub(ago).unwrap_or(now),
                error: failure.map(|(cause, _)| cause.to_string()),
            });
        }
        nodes
    }

    /// The nodes that the manager named or a request tried of late; `None` for one that was only
    /// named. Others have left the cluster, and say nothing of how clients are served. Of a node
    /// that is dialled at two addresses, the healthy one counts.
    fn present(&self) -> BTreeMap<IpAddr, Option<Seen>> {
        let is_recent = |ago: Duration| ago < FORGOTTEN;
        let named = self.allowed.named().into_iter();
        let mut present: BTreeMap<IpAddr, Option<Seen>> = named
            .filter(|(_, ago)| is_recent(*ago))
            .map(|(address, _)| (address, None))
            .collect();
        for seen in self.health.seen() {
            let there = present.get(&seen.address);
            if there.is_none() && !seen.last_tried.is_some_and(is_recent) {
                continue;
            }
            let is_healthy = |seen: &Seen| seen.unhealthy_for.is_none();
            if !there.is_some_and(|there| there.as_ref().is_some_and(is_healthy)) {
                present.insert(seen.address, Some(seen));
            }
        }
        present
    }
}
