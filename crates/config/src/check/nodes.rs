//! What may be dialled.

use ipnet::IpNet;

use super::{Config, Finding, credentials::is_polled, mapped};

/// Shortest prefixes that an operator is not asked about again.
const WIDE_V4: u8 = 8;
const WIDE_V6: u8 = 16;

pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    for (item, network) in config.nodes.allow.iter().enumerate() {
        if is_wide(*network) {
            let what = format!(
                "{network} lets every client reach any address in it at port {}; \
                 leave it out if the Stream Manager names the nodes, or write the networks that hold them",
                config.nodes.port
            );
            found.push(Finding::new(["nodes.allow"], what).at(item).warning());
        }
    }
    mapped("nodes.allow", &config.nodes.allow, found);
    mappings(config, found);
    polls(config, found);
}

fn is_wide(network: IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.prefix_len() < WIDE_V4,
        IpNet::V6(network) => network.prefix_len() < WIDE_V6,
    }
}

fn polls(config: &Config, found: &mut Vec<Finding>) {
    let nodes = &config.nodes;
    if is_polled(&config.stream_manager) && nodes.poll >= nodes.named_for {
        let what = format!(
            "is {:?}, not shorter than nodes.named_for ({:?}): nodes of the list are forgotten between two looks at it",
            nodes.poll, nodes.named_for
        );
        found.push(Finding::new(["nodes.poll", "nodes.named_for"], what).warning());
    }
}

fn mappings(config: &Config, found: &mut Vec<Finding>) {
    let map = &config.nodes.map;
    for (item, mapping) in map.iter().enumerate() {
        let earlier = map.iter().take(item);
        if let Some(other) = earlier
            .into_iter()
            .find(|earlier| earlier.public() == mapping.public())
        {
            let what = format!("{mapping} has the same public side as {other}");
            found.push(Finding::new(["nodes.map"], what).at(item));
        }
    }
}
