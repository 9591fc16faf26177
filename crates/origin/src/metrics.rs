//! What is counted about finding nodes.

use std::sync::Arc;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector,
};
use tokio::time::Instant;

use crate::{LookupError, Refusal};

/// Counters of this crate. Cheap to clone: all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hits: IntCounter,
    found: IntCounter,
    not_found: IntCounter,
    failed: IntCounter,
    lookups: IntCounterVec,
    duration: Histogram,
    manager_up: IntGauge,
    refused: IntCounterVec,
}

impl Default for Metrics {
    /// Counters that nobody reads.
    fn default() -> Self {
        let inner = Inner::unregistered();
        Self(Arc::new(inner.unwrap_or_else(|error| {
            unreachable!("the names are constant: {error}")
        })))
    }
}

impl Metrics {
    /// Makes the counters and registers them.
    ///
    /// # Errors
    /// Another of the same name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Inner::unregistered()?;
        let all: [Box<dyn Collector>; 4] = [
            Box::new(metrics.lookups.clone()),
            Box::new(metrics.duration.clone()),
            Box::new(metrics.manager_up.clone()),
            Box::new(metrics.refused.clone()),
        ];
        all.into_iter()
            .try_for_each(|collector| registry.register(collector))?;
        metrics.manager_up.set(1);
        Ok(Self(Arc::new(metrics)))
    }

    pub(crate) fn hit(&self) {
        self.0.hits.inc();
    }

    pub(crate) fn asked<T>(&self, since: Instant, answer: &Result<T, LookupError>) {
        self.0.duration.observe(since.elapsed().as_secs_f64());
        let (counter, up) = match answer {
            Ok(_) => (&self.0.found, 1),
            Err(LookupError::NotFound(_)) => (&self.0.not_found, 1),
            Err(LookupError::Refused(_) | LookupError::Busy) => (&self.0.failed, 1),
            Err(LookupError::Manager(_)) => (&self.0.failed, 0),
        };
        counter.inc();
        self.0.manager_up.set(up);
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.0.refused.with_label_values(&[refusal.label()]).inc();
    }
}

impl Inner {
    fn unregistered() -> prometheus::Result<Self> {
        let lookups = IntCounterVec::new(
            Opts::new(
                "origin_lookups_total",
                "Lookups of the node for a stream, by how they were answered.",
            ),
            &["result"],
        )?;
        let refused = IntCounterVec::new(
            Opts::new(
                "origin_refused_total",
                "Addresses that were not dialled, by reason.",
            ),
            &["reason"],
        )?;
        for refusal in [Refusal::NotAnAddress, Refusal::Special, Refusal::Unknown] {
            refused.with_label_values(&[refusal.label()]);
        }
        Ok(Self {
            hits: lookups.with_label_values(&["hit"]),
            found: lookups.with_label_values(&["found"]),
            not_found: lookups.with_label_values(&["not_found"]),
            failed: lookups.with_label_values(&["failed"]),
            lookups,
            duration: Histogram::with_opts(
                HistogramOpts::new(
                    "origin_lookup_duration_seconds",
                    "Time of the calls to the Stream Manager's event API.",
                )
                .buckets(vec![
                    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
                ]),
            )?,
            manager_up: IntGauge::new(
                "stream_manager_up",
                "Whether the last call to the Stream Manager's event API got an answer (1) or not (0); 1 before the first.",
            )?,
            refused,
        })
    }
}
