//! What operators are told: metrics, log lines, incidents, traces.

pub mod incidents;
pub mod log;
pub mod metrics;
pub(crate) mod server_timing;
pub mod trace;
