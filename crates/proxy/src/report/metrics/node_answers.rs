//! How long nodes take to answer.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec};

use crate::request::exchange::Subject;

/// `node_answer_duration_seconds`.
#[derive(Debug)]
pub(super) struct NodeAnswers {
    all: HistogramVec,
    http: Histogram,
    websocket: Histogram,
}

impl NodeAnswers {
    /// # Errors
    /// The name is none: a defect of ours.
    pub(super) fn new() -> prometheus::Result<Self> {
        let all = HistogramVec::new(
            HistogramOpts::new(
                "node_answer_duration_seconds",
                "Time from the connection to a node to the header of its answer, by protocol. Where several nodes were tried, that of the last one.",
            )
            .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0]),
            &["protocol"],
        )?;
        Ok(Self {
            http: all.with_label_values(&["http"]),
            websocket: all.with_label_values(&["websocket"]),
            all,
        })
    }

    /// What is to be registered.
    pub(super) fn collector(&self) -> HistogramVec {
        self.all.clone()
    }

    pub(super) fn observe(&self, subject: Subject, took: Duration) {
        let histogram = match subject {
            Subject::Socket => &self.websocket,
            // Almost all of a request to the manager is this wait, and the whole has a histogram.
            Subject::Manager | Subject::Unknown => return,
            Subject::WhipEndpoint
            | Subject::WhipSession
            | Subject::WhepEndpoint
            | Subject::WhepSession
            | Subject::Extension => &self.http,
        };
        histogram.observe(took.as_secs_f64());
    }
}
