//! The only way to a node.

pub(crate) mod client;
pub(crate) mod failover;
pub(crate) mod node_client;
