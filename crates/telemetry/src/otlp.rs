//! Spans to a collector, by OTLP over HTTP in binary protobuf (OpenTelemetry Protocol Specification
//! 1.9, OTLP/HTTP).
//!
//! A request puts its spans into a queue and never waits: while the queue is full, spans are
//! dropped and counted. One task sends them, batch after batch, and retries an unreachable
//! collector with increasing pauses; only that task and the queue wait. Without a collector none of
//! this runs.

mod collector;
mod exporter;
mod message;
mod resource;
mod wire;

use std::{io, sync::Arc};

use prometheus::{IntCounter, Registry};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use whipstitch_proxy::trace::{Span, SpanSink, Tracing};

use self::{collector::Collector, exporter::Exporter};
use whipstitch_config::{self as config, CollectorUrl, CollectorUrlError};

/// Most spans in the queue, besides the batch in flight.
const QUEUE: usize = 2048;

/// Why spans cannot be exported.
#[derive(Debug, Error)]
pub enum OtlpError {
    /// `tracing.otlp` is not the URL of a collector.
    #[error("tracing.otlp {0}")]
    Endpoint(#[from] CollectorUrlError),
    /// The system's certificate roots cannot be read.
    #[error("the system's certificate roots cannot be read, which an https collector needs: {0}")]
    Roots(#[source] io::Error),
}

/// The counters of spans.
#[derive(Clone, Debug)]
pub struct SpanMetrics {
    exported: IntCounter,
    dropped: IntCounter,
}

impl SpanMetrics {
    /// Makes the counters and registers them.
    ///
    /// # Errors
    /// Another of the same name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            exported: IntCounter::new(
                "spans_exported_total",
                "Spans that the collector of `tracing.otlp` has taken.",
            )?,
            dropped: IntCounter::new(
                "spans_dropped_total",
                "Spans that were lost because the collector of `tracing.otlp` could not be reached, was too slow, or refused them.",
            )?,
        };
        registry.register(Box::new(metrics.exported.clone()))?;
        registry.register(Box::new(metrics.dropped.clone()))?;
        Ok(metrics)
    }
}

/// Starts the export on `tasks` until `stop`; `None` if `tracing.otlp` is not set.
///
/// # Errors
/// The URL is malformed, or the certificate roots cannot be read.
pub fn start(
    tracing: &config::Tracing,
    metrics: SpanMetrics,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Result<Option<Tracing>, OtlpError> {
    let Some(url) = &tracing.otlp else {
        return Ok(None);
    };
    let collector = Collector::new(CollectorUrl::parse(url)?).map_err(OtlpError::Roots)?;
    let (queue, waiting) = mpsc::channel(QUEUE);
    let exporter = Exporter::new(waiting, collector, metrics.clone());
    tasks.spawn(exporter.run(stop));
    Ok(Some(Tracing {
        parents: tracing.parents,
        sample: tracing.sample,
        sink: Arc::new(Queue {
            queue,
            dropped: metrics.dropped,
        }),
    }))
}

/// The queue of spans, as requests see it.
struct Queue {
    queue: mpsc::Sender<Span>,
    dropped: IntCounter,
}

impl SpanSink for Queue {
    fn take(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.dropped.inc();
        }
    }
}
