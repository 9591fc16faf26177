//! The state that is read when metrics are gathered.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::runtime::RuntimeMetrics;
use whipstitch_ingress::{self as ingress, CertStore, Certificates, Validity};
use whipstitch_proxy::{Permits, SessionTable};

use whipstitch_admin::{
    NodeCounts, View,
    limits::{Limit, Limits},
    verdict::{CauseKind, Judge},
};
use whipstitch_config::LiveConfig;

use crate::{
    readiness::Stage,
    reload::{ReloadCounts, Reloader},
    shutdown::Shutdown,
};

/// The parts that a [`Reading`] is taken from.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) shutdown: Shutdown,
    pub(crate) certificates: Option<Arc<CertStore>>,
    pub(crate) limits: Limits,
    pub(crate) judge: Judge,
    pub(crate) sessions: SessionTable,
    pub(crate) view: View,
    pub(crate) reloader: Reloader,
    pub(crate) live_config: LiveConfig,
    pub(crate) runtime: RuntimeMetrics,
}

/// The state of the process at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) stage: Stage,
    /// When a drain is over at the latest, if one has begun.
    pub(crate) drained_by: Option<SystemTime>,
    pub(crate) certificates: Certificates,
    pub(crate) limits: [Limit; 4],
    /// For each cause: 0 if it is not there, 1 for a warning, 2 for an action that is required.
    pub(crate) verdict: [(CauseKind, u8); CauseKind::ALL.len()],
    /// WHIP and WHEP sessions that are remembered.
    pub(crate) sessions: usize,
    /// How far another replica's clock was ahead at most.
    pub(crate) clock_ahead: Duration,
    pub(crate) nodes: NodeCounts,
    /// Answers of the Stream Manager that are remembered.
    pub(crate) lookups: u64,
    pub(crate) reloads: ReloadCounts,
    /// Whether the configuration that was read last has mistakes.
    pub(crate) refused: bool,
    /// Keys that have changed and wait for a restart.
    pub(crate) waiting: usize,
    pub(crate) runtime: Runtime,
}

/// How tokio is doing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Runtime {
    pub(crate) workers: usize,
    /// What all workers together were busy since the start.
    pub(crate) busy: Duration,
    pub(crate) tasks: usize,
    /// Tasks that are ready and wait in the queue that all workers share.
    pub(crate) queued: usize,
}

impl Gauges {
    /// How it is now.
    pub(crate) fn read(&self) -> Reading {
        let store = self.certificates.as_deref();
        let drain = self.shutdown.progress();
        Reading {
            stage: self.shutdown.readiness.stage(),
            drained_by: drain.map(|drain| drain.times.deadline),
            certificates: store.map(CertStore::summary).unwrap_or_default(),
            limits: self.limits.read(),
            verdict: self.judge.verdict().by_cause(),
            sessions: self.sessions.count().http,
            clock_ahead: self.sessions.clock_ahead(),
            nodes: self.view.node_counts(),
            lookups: self.view.cached(),
            reloads: self.reloader.counts(),
            refused: self.live_config.is_rejected(),
            waiting: self.live_config.restart_required(),
            runtime: Runtime::of(&self.runtime),
        }
    }
}

impl Reading {
    /// One that has every series that there can be, for the reference page and for those who count
    /// series.
    pub(crate) fn full() -> Self {
        let limits = whipstitch_proxy::config::Limits::default();
        let permits = Permits::new(&limits);
        let validity = Some(Validity {
            not_before: 0,
            not_after: 0,
        });
        Self {
            stage: Stage::Starting,
            drained_by: None,
            certificates: Certificates {
                own: validity,
                issuers: validity,
                ..Certificates::default()
            },
            limits: Limits::of(ingress::config::Connections::default().max, 0, &permits),
            verdict: CauseKind::ALL.map(|kind| (kind, 0)),
            sessions: 0,
            clock_ahead: Duration::ZERO,
            nodes: NodeCounts::default(),
            lookups: 0,
            reloads: ReloadCounts::none(SystemTime::UNIX_EPOCH),
            refused: false,
            waiting: 0,
            runtime: Runtime::default(),
        }
    }
}

impl Runtime {
    fn of(runtime: &RuntimeMetrics) -> Self {
        let workers = runtime.num_workers();
        Self {
            workers,
            busy: (0..workers)
                .map(|worker| runtime.worker_total_busy_duration(worker))
                .sum(),
            tasks: runtime.num_alive_tasks(),
            queued: runtime.global_queue_depth(),
        }
    }
}
