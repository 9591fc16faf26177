//! What is configured about nodes, which can change while the gate stands.

use ipnet::IpNet;

use crate::{
    config::Nodes,
    net::{AddressMap, HostName, NamePattern},
};

/// Networks, names, and private addresses.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) networks: Vec<IpNet>,
    pub(super) names: Vec<NamePattern>,
    pub(super) map: AddressMap,
    pub(super) dial_private: bool,
}

impl Rules {
    pub(super) fn new(config: &Nodes) -> Self {
        Self {
            networks: config.allow.clone(),
            names: config.allow_names.clone(),
            map: AddressMap::new(&config.map),
            dial_private: config.dial_private,
        }
    }

    pub(super) fn may_resolve(&self, name: &HostName) -> bool {
        self.names.iter().any(|pattern| pattern.holds(name))
    }
}
