//! The ground: what every other room names and none of them owns. Errors, problems and reasons;
//! bodies; and this crate's part of the configuration, which layers, destinations and nodes read
//! and which therefore can stand in no room above them.

pub(crate) mod body;
pub mod config;
pub(crate) mod end_reason;
pub(crate) mod error;
pub(crate) mod hsts;
pub(crate) mod node_status;
pub mod problem;
pub mod reason;
