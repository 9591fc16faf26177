//! What may be dialled, and the key to the Stream Manager's list of it.

use std::{os::unix::fs::PermissionsExt, path::Path};

use ipnet::IpNet;
use whipstitch_origin::node_list::AccessToken;

use super::{Config, Finding, pem};

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
    mapped(config, found);
    mappings(config, found);
    polls(config, found);
    if let Some(path) = &config.stream_manager.access_token_file {
        token(path, found);
    }
}

fn is_wide(network: IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.prefix_len() < WIDE_V4,
        IpNet::V6(network) => network.prefix_len() < WIDE_V6,
    }
}

/// Addresses are compared in their IPv4 form, so that a network of the mapped ones never holds one (RFC 4291 §2.5.5.2).
fn mapped(config: &Config, found: &mut Vec<Finding>) {
    for (item, network) in config.nodes.allow.iter().enumerate() {
        let IpNet::V6(v6) = network else { continue };
        let length = v6.prefix_len().checked_sub(96);
        let v4 = v6.network().to_ipv4_mapped().zip(length);
        if let Some((v4, length)) = v4 {
            let what = format!("{network} has no effect; write {v4}/{length}");
            found.push(Finding::new(["nodes.allow"], what).at(item));
        }
    }
}

fn polls(config: &Config, found: &mut Vec<Finding>) {
    let nodes = &config.nodes;
    if config.stream_manager.access_token_file.is_some() && nodes.poll >= nodes.named_for {
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

/// No message repeats what the file holds.
fn token(path: &Path, found: &mut Vec<Finding>) {
    let key = "stream_manager.access_token_file";
    let token = pem::readable(path).and_then(|text| {
        AccessToken::parse(&text).map_err(|error| format!("{} {error}", path.display()))
    });
    if let Err(what) = token {
        found.push(Finding::new([key], what));
        return;
    }
    let mode = std::fs::metadata(path).map_or(0, |meta| meta.permissions().mode());
    if mode & 0o007 != 0 {
        let what = format!(
            "{} can be opened by every user of this machine; take that away with chmod o=",
            path.display()
        );
        found.push(Finding::new([key], what).warning());
    }
}
