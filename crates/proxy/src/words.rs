//! The ground: errors, problems, reasons, configuration, bodies.

pub(crate) mod body;
pub mod config;
pub(crate) mod end_reason;
pub(crate) mod error;
pub(crate) mod node_status;
pub mod problem;
pub mod reason;
