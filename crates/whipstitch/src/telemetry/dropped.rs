//! How many lines of the log were dropped, as a metric.

use std::sync::OnceLock;

use prometheus::{
    IntCounter, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tracing_appender::non_blocking::ErrorCounter;

/// The count of the one log that a process has; empty in a process that writes none.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Makes this the count of the process.
pub(super) fn count(dropped: ErrorCounter) {
    // The first stays, as the first log does.
    let _ = DROPPED.set(dropped);
}

/// `whipstitch_log_lines_dropped_total`: the count of the log's own writer, read when metrics are
/// gathered. 0 as long as this process has no log started by [`init`](super::init).
#[derive(Debug)]
pub(crate) struct LinesDropped(IntCounter);

impl LinesDropped {
    /// A counter to be registered.
    ///
    /// # Errors
    /// The name is refused: a defect of ours.
    pub(crate) fn new() -> prometheus::Result<Self> {
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
        // One for each time: two that gather at once would add the same lines to a shared one
        // twice.
        let Ok(counter) = fresh() else {
            return Vec::new();
        };
        let dropped = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
        counter.inc_by(dropped.try_into().unwrap_or(u64::MAX));
        counter.collect()
    }
}
