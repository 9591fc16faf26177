//! The metric families of a reading.

use std::time::{Duration, SystemTime};

use prometheus::{Counter, CounterVec, Gauge, GaugeVec, Opts, core::Collector};

use super::reading::Reading;
use crate::readiness::Stage;
use whipstitch_ingress::Validity;

/// Every family of a reading.
///
/// # Errors
/// An invalid name: a defect of ours.
pub(super) fn families(now: &Reading) -> prometheus::Result<Vec<Box<dyn Collector>>> {
    let mut families = Families::default();
    families.stage(now)?;
    families.certificates(now)?;
    families.limits(now)?;
    families.directory(now)?;
    families.runtime(now)?;
    Ok(families.0)
}

#[derive(Default)]
struct Families(Vec<Box<dyn Collector>>);

impl Families {
    fn stage(&mut self, now: &Reading) -> prometheus::Result<()> {
        let is_draining = matches!(now.stage, Stage::Draining | Stage::Drained);
        self.gauge(
            "ready",
            "Whether new clients should come here (1), as /readyz says, or not (0).",
            flag(now.stage == Stage::Ready),
        )?;
        self.gauge(
            "draining",
            "Whether a drain has begun (1) or not (0); it stays 1 until the process ends.",
            flag(is_draining),
        )?;
        self.gauge(
            "drain_deadline_timestamp_seconds",
            "When the drain that has begun is over at the latest, in seconds since 1970; 0 if none has.",
            now.drained_by.map_or(0.0, since_1970),
        )?;
        let verdict = now
            .verdict
            .map(|(cause, value)| (cause.slug(), f64::from(value)));
        self.gauges(
            "verdict",
            "Whether clients are served, as /status says, by cause: 0 if it is not there, 1 for a warning, 2 if an action is required. The sum is 0 for a healthy process.",
            "cause",
            &verdict,
        )?;
        let reloads = &now.reloads;
        self.counters(
            "reloads_total",
            "Times that settings and files were read again on request (SIGHUP, POST /reload), by whether all of them could be used.",
            "result",
            &[("done", number(reloads.done)), ("failed", number(reloads.failed))],
        )?;
        self.gauge(
            "reload_last_success_timestamp_seconds",
            "Time of the last requested reload of settings and files that could all be used, or of the start, in seconds since 1970.",
            since_1970(reloads.last_success),
        )?;
        self.gauge(
            "configuration_unusable",
            "Whether the configuration had mistakes when it was last read (1), so that the settings of before count, or none (0).",
            flag(now.refused),
        )?;
        self.gauge(
            "settings_waiting",
            "Keys that had changed when the configuration was last read, and wait for a restart.",
            size(now.waiting),
        )
    }

    /// There is one certificate, so two series differ in what it is for. Names and files
    /// would be other label values in every installation, and other ones after a renewal.
    fn certificates(&mut self, now: &Reading) -> prometheus::Result<()> {
        let shown = &now.certificates;
        self.gauge(
            "certificates",
            "Certificates that clients are shown: the server's own and those of its issuers; 0 without TLS.",
            size(shown.count),
        )?;
        let times = |time: fn(Validity) -> i64| -> Vec<(&'static str, f64)> {
            let parts = [("server", shown.own), ("issuer", shown.issuers)];
            let known = parts
                .into_iter()
                .filter_map(|(part, validity)| Some((part, validity?)));
            known
                .map(|(part, validity)| (part, seconds(time(validity))))
                .collect()
        };
        self.gauges(
            "certificate_not_before_timestamp_seconds",
            "When the certificate that clients are shown begins to be valid, in seconds since 1970: the server's own, and that of its issuers which ends first.",
            "part",
            &times(|validity| validity.not_before),
        )?;
        self.gauges(
            "certificate_not_after_timestamp_seconds",
            "When the certificate that clients are shown ends, in seconds since 1970: the server's own, and that of its issuers which ends first.",
            "part",
            &times(|validity| validity.not_after),
        )
    }

    fn limits(&mut self, now: &Reading) -> prometheus::Result<()> {
        self.gauges(
            "limit",
            "How much there may be at once, by the configuration key that says so.",
            "key",
            &now.limits.map(|limit| (limit.key, size(limit.most))),
        )?;
        self.gauges(
            "limit_used",
            "How much of whipstitch_limit there is at present.",
            "key",
            &now.limits.map(|limit| (limit.key, size(limit.used))),
        )?;
        self.gauge(
            "http_sessions_remembered",
            "WHIP and WHEP sessions in the session table that their clients have not ended: until their DELETE or the end of their URL's life, and limits.sessions at most.",
            size(now.sessions),
        )?;
        self.gauge(
            "replica_clock_ahead_seconds",
            "How far the clock of another replica was ahead of this one's at most since the start, by the times of its sessions. Above 30, an old session URL may end a newer session, or a PATCH or DELETE may be refused.",
            now.clock_ahead.as_secs_f64(),
        )
    }

    fn directory(&mut self, now: &Reading) -> prometheus::Result<()> {
        let nodes = now.nodes;
        self.gauges(
            "nodes",
            "Nodes that the Stream Manager named or a request tried in the last ten minutes, by how they stand: healthy, ejected (tried only if there is no other), returning (tried once a second).",
            "state",
            &[
                ("healthy", size(nodes.healthy)),
                ("ejected", size(nodes.ejected)),
                ("returning", size(nodes.returning)),
            ],
        )?;
        self.gauge(
            "lookups_remembered",
            "Answers of the Stream Manager that are remembered.",
            number(now.lookups),
        )
    }

    fn runtime(&mut self, now: &Reading) -> prometheus::Result<()> {
        let runtime = now.runtime;
        self.gauge(
            "runtime_workers",
            "Threads that do the work.",
            size(runtime.workers),
        )?;
        self.counter(
            "runtime_busy_seconds_total",
            "Time that these threads were not idle, all together.",
            runtime.busy,
        )?;
        self.gauge(
            "runtime_tasks",
            "Tasks that have not ended: connections, sessions, requests to nodes.",
            size(runtime.tasks),
        )?;
        self.gauge(
            "runtime_queued_tasks",
            "Tasks that are ready and wait for any of the threads.",
            size(runtime.queued),
        )
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> prometheus::Result<()> {
        let gauge = Gauge::new(name, help)?;
        gauge.set(value);
        self.0.push(Box::new(gauge));
        Ok(())
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: &[(&str, f64)],
    ) -> prometheus::Result<()> {
        let gauges = GaugeVec::new(Opts::new(name, help), &[label])?;
        for (of, value) in values {
            gauges.with_label_values(&[*of]).set(*value);
        }
        self.0.push(Box::new(gauges));
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, total: Duration) -> prometheus::Result<()> {
        let counter = Counter::new(name, help)?;
        counter.inc_by(total.as_secs_f64());
        self.0.push(Box::new(counter));
        Ok(())
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: &[(&str, f64)],
    ) -> prometheus::Result<()> {
        let counters = CounterVec::new(Opts::new(name, help), &[label])?;
        for (of, value) in values {
            counters.with_label_values(&[*of]).inc_by(*value);
        }
        self.0.push(Box::new(counters));
        Ok(())
    }
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn size(count: usize) -> f64 {
    number(u64::try_from(count).unwrap_or(u64::MAX))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, and no count comes near"
)]
fn number(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53 seconds, which is longer than X.509 can say"
)]
fn seconds(since_1970: i64) -> f64 {
    since_1970 as f64
}

fn since_1970(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
