//! Spans to a collector, by OTLP over HTTP in binary protobuf (OpenTelemetry Protocol Specification
//! 1.9, OTLP/HTTP).
//!
//! Requests put what they have to tell into a queue and go on; where it is full, spans are lost,
//! and counted. One task sends what is there, one batch after the other. A collector that cannot be
//! reached is tried again, later and later; until then the batch and the queue wait, and that is
//! all that ever waits. Without a collector there is nothing of all this.

mod collector;
mod exporter;
mod message;
mod resource;
mod wire;

use std::{io, sync::Arc};

use prometheus::{IntCounter, Registry};
use thiserror::Error;
use tokio::sync::mpsc;
use whipstitch_proxy::trace::{Span, SpanSink, Tracing};

use self::{collector::Collector, exporter::Exporter};
use crate::{
    config::{self, CollectorUrl, CollectorUrlError},
    shutdown::Shutdown,
};

/// Most spans that wait to be sent, besides a batch under way.
const QUEUE: usize = 2048;

/// Why spans cannot be exported.
#[derive(Debug, Error)]
pub enum OtlpError {
    /// It is no URL of a collector.
    #[error("tracing.otlp {0}")]
    Endpoint(#[from] CollectorUrlError),
    /// The system's certificate roots cannot be read.
    #[error("the system's certificate roots cannot be read, which an https collector needs: {0}")]
    Roots(#[source] io::Error),
}

/// What is counted about spans.
#[derive(Clone, Debug)]
pub(crate) struct SpanMetrics {
    exported: IntCounter,
    dropped: IntCounter,
}

impl SpanMetrics {
    /// Makes the counters and registers them.
    ///
    /// # Errors
    /// Another of the same name is registered already.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
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

/// Starts to export, if there is a collector, as one of the tasks that `shutdown` waits for.
///
/// # Errors
/// Why it cannot.
pub(crate) fn start(
    tracing: &config::Tracing,
    metrics: SpanMetrics,
    shutdown: &Shutdown,
) -> Result<Option<Tracing>, OtlpError> {
    let Some(url) = &tracing.otlp else {
        return Ok(None);
    };
    let collector = Collector::new(CollectorUrl::parse(url)?).map_err(OtlpError::Roots)?;
    let (queue, waiting) = mpsc::channel(QUEUE);
    let exporter = Exporter::new(waiting, collector, metrics.clone());
    shutdown
        .spans
        .spawn(exporter.run(shutdown.stop_spans.clone()));
    Ok(Some(Tracing {
        parents: tracing.parents,
        sample: tracing.sample,
        sink: Arc::new(Queue {
            queue,
            dropped: metrics.dropped,
        }),
    }))
}

/// Where requests put their spans.
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
