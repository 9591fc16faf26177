//! What is counted about connections.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector,
};

use crate::{proxy_protocol::Fault, refusal::Refusal};

/// Why a TLS handshake failed; label values.
pub(crate) const FAILURES: [&str; 9] = [
    "certificate_refused",
    "unknown_ca",
    "incompatible",
    "alert",
    "broken",
    "closed",
    "timeout",
    "plain_http",
    "other",
];

/// Counters of this crate. Cheap to clone: all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    open: IntGauge,
    accepted: IntCounter,
    accept_errors: IntCounter,
    handshakes: IntCounterVec,
    handshake_duration: Histogram,
    refused: IntCounterVec,
    failures: IntCounterVec,
    no_client: IntCounterVec,
}

/// How a TLS handshake ended; a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    Done,
    Failed,
    Timeout,
}

impl Handshake {
    const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::Timeout];

    const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
        }
    }
}

impl Metrics {
    /// Makes the counters and registers them.
    ///
    /// # Errors
    /// Another of the same name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            open: IntGauge::new(
                "connections_open",
                "Client connections that are open, upgraded ones not counted.",
            )?,
            accepted: IntCounter::new(
                "connections_total",
                "Client connections that were accepted.",
            )?,
            accept_errors: IntCounter::new(
                "accept_errors_total",
                "Times that no connection could be accepted, most often for want of file descriptors.",
            )?,
            handshakes: IntCounterVec::new(
                Opts::new("tls_handshakes_total", "TLS handshakes, by how they ended."),
                &["result"],
            )?,
            handshake_duration: Histogram::with_opts(
                HistogramOpts::new(
                    "tls_handshake_duration_seconds",
                    "Time of TLS handshakes that came about, from the accept, the client's share included.",
                )
                .buckets(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0]),
            )?,
            refused: IntCounterVec::new(
                Opts::new(
                    "requests_refused_total",
                    "Requests that were refused before it could be seen what they ask, by reason.",
                ),
                &["reason"],
            )?,
            failures: IntCounterVec::new(
                Opts::new(
                    "tls_handshake_failures_total",
                    "TLS handshakes that failed, by reason.",
                ),
                &["reason"],
            )?,
            no_client: IntCounterVec::new(
                Opts::new(
                    "proxy_protocol_failures_total",
                    "Connections of balancers in listen.proxy_protocol that were closed without a usable PROXY header, by reason.",
                ),
                &["reason"],
            )?,
        };
        for fault in Fault::ALL {
            metrics.no_client.with_label_values(&[fault.label()]);
        }
        for refusal in Refusal::ALL {
            metrics.refused.with_label_values(&[refusal.label()]);
        }
        for reason in FAILURES {
            metrics.failures.with_label_values(&[reason]);
        }
        for handshake in Handshake::ALL {
            metrics.handshakes.with_label_values(&[handshake.label()]);
        }
        let all: [Box<dyn Collector>; 8] = [
            Box::new(metrics.open.clone()),
            Box::new(metrics.accepted.clone()),
            Box::new(metrics.accept_errors.clone()),
            Box::new(metrics.handshakes.clone()),
            Box::new(metrics.handshake_duration.clone()),
            Box::new(metrics.refused.clone()),
            Box::new(metrics.failures.clone()),
            Box::new(metrics.no_client.clone()),
        ];
        all.into_iter()
            .try_for_each(|collector| registry.register(collector))?;
        Ok(metrics)
    }

    /// How many client connections are open.
    pub fn open(&self) -> usize {
        usize::try_from(self.open.get()).unwrap_or(0)
    }

    /// Counts a connection as open until the guard is dropped.
    pub(crate) fn connection(&self) -> Open {
        self.accepted.inc();
        self.open.inc();
        Open(self.open.clone())
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_errors.inc();
    }

    pub(crate) fn handshake(&self, handshake: Handshake, took: Duration) {
        if handshake == Handshake::Done {
            self.handshake_duration.observe(took.as_secs_f64());
        }
        self.handshakes
            .with_label_values(&[handshake.label()])
            .inc();
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refused.with_label_values(&[refusal.label()]).inc();
    }

    pub(crate) fn no_client(&self, fault: Fault) {
        self.no_client.with_label_values(&[fault.label()]).inc();
    }

    pub(crate) fn handshake_failed(&self, reason: &'static str) {
        self.failures.with_label_values(&[reason]).inc();
    }
}

/// One open connection.
pub(crate) struct Open(IntGauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
