//! The number of dropped log lines, as a metric.

use std::sync::OnceLock;

use prometheus::{
    IntCounter, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tracing_appender::non_blocking::ErrorCounter;

/// The counter of the process' log; empty in a process without a log.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Makes this the counter of the process.
pub(super) fn count(dropped: ErrorCounter) {
    // A second log of a process is not installed, so the first counter stays.
    let _ = DROPPED.set(dropped);
}

/// `whipstitch_log_lines_dropped_total`, read from the writer when metrics are gathered. 0 in a
/// process whose log was not started by [`init`](super::init).
#[derive(Debug)]
pub struct LinesDropped(IntCounter);

impl LinesDropped {
    /// A counter to be registered.
    ///
    /// # Errors
    /// Prometheus refuses the name: a defect of ours.
    pub fn new() -> prometheus::Result<Self> {
        fresh().map(Self)
    }
}

fn fresh() -> prometheus::Result<IntCounter> {
    IntCounter::with_opts(Opts::new(
        "log_lines_dropped_total",
        "Log lines that were dropped because standard output was not read fast enough.",
    ))
}

impl Collector for LinesDropped {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // A new counter each time: two concurrent scrapes would add the same lines to a shared one
        // twice.
        let Ok(counter) = fresh() else {
            return Vec::new();
        };
        let dropped = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
        counter.inc_by(dropped.try_into().unwrap_or(u64::MAX));
        counter.collect()
    }
}
