//! The ground: errors, problems, reasons, configuration, bodies.

pub(crate) mod body;
pub mod config;
pub(crate) mod error;
pub mod problem;
pub mod reason;
