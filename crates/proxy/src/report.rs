//! What operators are told: metrics, log lines, incidents, spans.

pub mod incidents;
pub mod log;
pub mod metrics;
pub mod panics;
pub(crate) mod refusal;
pub(crate) mod server_timing;
pub(crate) mod spans;
