//! The only way to a node.

pub(crate) mod failed;
pub(crate) mod failover;
pub(crate) mod handshaking;
pub(crate) mod node_client;
pub(crate) mod node_request;
pub(crate) mod pool;
