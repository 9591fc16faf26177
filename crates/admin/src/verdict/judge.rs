//! Evidence in, causes out.
//!
//! | cause | warning | action required |
//! |---|---|---|
//! | `starting`, `draining` | always | |
//! | `nodes-ejected`, `all-nodes-ejected` | some nodes are ejected | no node is healthy |
//! | `attempts-failing` | a tenth of the last minute's attempts failed | half of them did |
//! | `manager-down` | calls get no answer | the circuit breaker is open |
//! | `manager-login` | | the login fails |
//! | `certificate-ending` | 14 days and a quarter of its life are left | 3 days and a tenth are |
//! | `certificate-unusable`, `session-keys-unusable` | | the files on disk cannot be used |
//! | `ice-secret-unusable`, `configuration-unusable`, `reload-failed` | always | |
//! | `limit-reached` | nine tenths of it are in use | |

use std::time::{Duration, SystemTime};

use whipstitch_ingress::Validity;

use super::{
    cause::{CauseKind, Severity},
    evidence::Evidence,
};
use crate::{Drained, Stage, view::EjectedNode};

/// Failed attempts in a minute below which their share says nothing.
const FEW: u64 = 5;
/// Shares of failed attempts.
const SOME_FAIL: f64 = 0.1;
const MOST_FAIL: f64 = 0.5;
/// Days before the end of a certificate: a warning, and an action that is required. Whole lives of
/// a few days are possible, so a share of the life counts, too, as in the alerts.
pub const CERTIFICATE_DAYS: (i64, i64) = (14, 3);
const CERTIFICATE_SHARES: (f64, f64) = (0.25, 0.1);
/// Most nodes that a sentence names.
const NAMED: usize = 3;

/// One cause, before it is known when it was first seen.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: CauseKind,
    pub(super) severity: Severity,
    pub(super) text: String,
    /// If its part knows since when.
    pub(super) since: Option<SystemTime>,
}

/// Every cause that the evidence shows.
pub(super) fn causes(evidence: &Evidence) -> Vec<Found> {
    [
        stage(evidence),
        nodes(evidence),
        attempts(evidence),
        manager(evidence),
        login(evidence),
        certificate(evidence),
        certificate_files(evidence),
        session_keys(evidence),
        ice_secrets(evidence),
        configuration(evidence),
        reload(evidence),
        limits(evidence),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn warning(kind: CauseKind, text: impl Into<String>) -> Found {
    Found {
        kind,
        severity: Severity::Warning,
        text: text.into(),
        since: None,
    }
}

fn action(kind: CauseKind, text: impl Into<String>) -> Found {
    Found {
        severity: Severity::ActionRequired,
        ..warning(kind, text)
    }
}

impl Found {
    fn since(self, since: impl Into<Option<SystemTime>>) -> Self {
        Self {
            since: since.into(),
            ..self
        }
    }
}

fn stage(evidence: &Evidence) -> Option<Found> {
    let text = match (
        evidence.stage,
        evidence.drain.and_then(|drain| drain.result),
    ) {
        (Stage::Ready, _) => return None,
        (Stage::Starting, _) => {
            return Some(warning(CauseKind::Starting, "Not every listener is bound."));
        }
        (Stage::Draining, _) => "Draining: no new clients are welcome, and sessions are ended.",
        (Stage::Drained, Some(Drained::Cut { .. })) => {
            "Drained: at the deadline the remaining requests and sessions were closed."
        }
        (Stage::Drained, _) => "Drained: everything ended by itself, and no clients are accepted.",
    };
    let began = evidence.drain.map(|drain| drain.times.began);
    Some(warning(CauseKind::Draining, text).since(began))
}

fn nodes(evidence: &Evidence) -> Option<Found> {
    let nodes = &evidence.nodes;
    let times = nodes.ejected.iter().map(|node| node.since);
    let named = named(&nodes.ejected);
    if nodes.healthy > 0 {
        let (count, all) = (nodes.ejected.len(), nodes.ejected.len() + nodes.healthy);
        let text = format!("{count} of {all} nodes ejected: {named}.");
        return Some(warning(CauseKind::NodesEjected, text).since(times.min()?));
    }
    let since = times.max()?;
    let text = format!("No node is healthy, so clients get errors: {named}.");
    Some(action(CauseKind::AllNodesEjected, text).since(since))
}

/// The nodes with their errors, the first few of them.
fn named(nodes: &[EjectedNode]) -> String {
    let mut names: Vec<String> = nodes
        .iter()
        .take(NAMED)
        .map(|node| match &node.error {
            Some(error) => format!("{} ({error})", node.address),
            None => node.address.to_string(),
        })
        .collect();
    if let Some(more) = nodes.len().checked_sub(NAMED + 1) {
        names.push(format!("{} more", more + 1));
    }
    names.join(", ")
}

fn attempts(evidence: &Evidence) -> Option<Found> {
    let minute = &evidence.last_minute;
    let share = minute.failed_share().filter(|_| minute.failed >= FEW)?;
    let severe = match share {
        MOST_FAIL.. => action,
        SOME_FAIL.. => warning,
        _ => return None,
    };
    let (failed, all) = (minute.failed, minute.all());
    let text = format!(
        "{failed} of {all} attempts to publish or play failed in the last minute ({:.0} %).",
        share * 100.0
    );
    Some(severe(CauseKind::AttemptsFailing, text))
}

fn manager(evidence: &Evidence) -> Option<Found> {
    let (since, error) = evidence.manager.failing.as_ref()?;
    let cause = if error.is_empty() {
        String::new()
    } else {
        format!(" ({error})")
    };
    let found = if evidence.manager.breaker_open {
        action(
            CauseKind::ManagerDown,
            format!(
                "The Stream Manager is down{cause}: cached lookups are served, new streams get 503."
            ),
        )
    } else {
        warning(
            CauseKind::ManagerDown,
            format!("The Stream Manager does not answer{cause}; lookups are still sent to it."),
        )
    };
    Some(found.since(*since))
}

fn login(evidence: &Evidence) -> Option<Found> {
    let (since, error) = evidence.manager.login.as_ref()?;
    let text = format!(
        "The login at the Stream Manager fails ({error}): nodes from lookups are served, others are refused."
    );
    Some(action(CauseKind::ManagerLogin, text).since(*since))
}

fn certificate(evidence: &Evidence) -> Option<Found> {
    let shown = evidence.certificates.as_ref()?;
    let name = shown.names.first().map_or("this server", String::as_str);
    let now = evidence.now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let now = i64::try_from(now.as_secs()).ok()?;
    let part = format!("certificate of {name}");
    let issuer = format!("certificate of the issuer of that of {name}");
    let parts = [(part, shown.own), (issuer, shown.issuers)];
    let found = parts
        .into_iter()
        .filter_map(|(what, validity)| ending(&what, validity?, now));
    found.max_by_key(|found| found.severity)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share of a life, to a few digits"
)]
fn ending(what: &str, validity: Validity, now: i64) -> Option<Found> {
    const DAY: i64 = 86_400;
    let kind = CauseKind::CertificateEnding;
    let left = validity.not_after.saturating_sub(now);
    if left < 0 {
        let ended = u64::try_from(validity.not_after).unwrap_or(0);
        let text = format!("The {what} has expired: clients refuse it.");
        let ended = SystemTime::UNIX_EPOCH + Duration::from_secs(ended);
        return Some(action(kind, text).since(ended));
    }
    let life = validity.not_after.saturating_sub(validity.not_before);
    let share = left as f64 / life.max(1) as f64;
    let is_within = |days, part| left < days * DAY && share < part;
    let text = match left / DAY {
        0 => format!("The {what} expires within a day."),
        1 => format!("The {what} expires in a day."),
        days => format!("The {what} expires in {days} days."),
    };
    if is_within(CERTIFICATE_DAYS.1, CERTIFICATE_SHARES.1) {
        Some(action(kind, text))
    } else if is_within(CERTIFICATE_DAYS.0, CERTIFICATE_SHARES.0) {
        Some(warning(kind, text))
    } else {
        None
    }
}

fn certificate_files(evidence: &Evidence) -> Option<Found> {
    let why = evidence.faults.certificate.as_ref()?;
    let text = format!("The certificate on disk cannot be used: {why}.");
    Some(action(CauseKind::CertificateUnusable, text))
}

fn session_keys(evidence: &Evidence) -> Option<Found> {
    let why = evidence.faults.session_keys.as_ref()?;
    let text = format!("The session keys on disk cannot be used: {why}.");
    Some(action(CauseKind::SessionKeysUnusable, text))
}

fn ice_secrets(evidence: &Evidence) -> Option<Found> {
    let why = evidence.faults.ice_secrets.as_ref()?;
    let text = format!("The secret of the TURN servers on disk cannot be used: {why}.");
    Some(warning(CauseKind::IceSecretUnusable, text))
}

fn configuration(evidence: &Evidence) -> Option<Found> {
    evidence.rejected.then(|| {
        let text = "The configuration on disk has mistakes, and the next start would fail";
        let why = evidence.reload.as_ref().and_then(|last| {
            let mut failures = last.failures().iter();
            failures.find_map(|part| part.strip_prefix("configuration: "))
        });
        warning(
            CauseKind::ConfigurationUnusable,
            match why {
                Some(why) => format!("{text}: {why}"),
                None => format!("{text}."),
            },
        )
    })
}

/// What is a cause of its own already is not said twice.
fn reload(evidence: &Evidence) -> Option<Found> {
    let last = evidence.reload.as_ref()?;
    let failures = last.failures();
    let is_told = |part: &String| evidence.rejected && part.starts_with("configuration: ");
    let untold: Vec<&str> = failures
        .iter()
        .filter(|part| !is_told(part))
        .map(String::as_str)
        .collect();
    if untold.is_empty() {
        return None;
    }
    let text = format!("The last reload failed: {}.", untold.join("; "));
    Some(
        warning(CauseKind::ReloadFailed, text)
            .since(SystemTime::UNIX_EPOCH + Duration::from_millis(last.at())),
    )
}

fn limits(evidence: &Evidence) -> Option<Found> {
    let near: Vec<String> = evidence
        .limits
        .iter()
        .filter(|limit| limit.most > 0 && limit.used >= limit.most - limit.most / 10)
        .map(|limit| format!("{} of {} ({})", limit.used, limit.most, limit.key))
        .collect();
    (!near.is_empty()).then(|| {
        let text = format!(
            "In use: {}; beyond that, clients are rejected.",
            near.join(", ")
        );
        warning(CauseKind::LimitReached, text)
    })
}

#[cfg(test)]
mod tests;
