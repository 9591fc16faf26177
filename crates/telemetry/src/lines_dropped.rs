//! The number of dropped log lines, as a metric.

use std::sync::OnceLock;

use prometheus::{
    IntCounter, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::log_queue::LogQueue;

/// The queue of the process' log; empty in a process without a log.
static QUEUE: OnceLock<LogQueue> = OnceLock::new();

/// Counts what this queue has dropped.
pub(super) fn count(queue: LogQueue) {
    // A second log of a process is not installed, so the first one stays.
    let _ = QUEUE.set(queue);
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
        counter.inc_by(QUEUE.get().map_or(0, LogQueue::dropped));
        counter.collect()
    }
}
