use whipstitch_ingress::{self as ingress, Certificates};
use whipstitch_proxy::{Permits, metrics::Attempted};

use super::*;
use crate::{
    DrainTimes, FileFaults, LastReload, Report, limits::Limits, verdict::evidence::Manager,
    view::JudgedNodes,
};

const DAY: u64 = 86_400;
/// An arbitrary moment.
const NOW: Duration = Duration::from_secs(20_000 * DAY);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

/// Of a process that is well.
fn well() -> Evidence {
    let permits = Permits::new(&whipstitch_proxy::config::Limits::default());
    let connections = ingress::config::Connections::default().max;
    Evidence {
        now: now(),
        stage: Stage::Ready,
        drain: None,
        nodes: JudgedNodes {
            healthy: 2,
            ejected: Vec::new(),
        },
        last_minute: Attempted::default(),
        manager: Manager::default(),
        certificates: Some(lasting(90, 60)),
        faults: FileFaults::default(),
        rejected: false,
        reload: None,
        limits: Limits::of(connections, 0, &permits),
    }
}

/// A certificate of this life, in days, with this rest of it.
fn lasting(life: i64, left: i64) -> Certificates {
    let day = i64::try_from(DAY).unwrap();
    let not_after = i64::try_from(NOW.as_secs()).unwrap() + left * day;
    Certificates {
        names: vec!["live.example.com".to_owned()],
        own: Some(Validity {
            not_before: not_after - life * day,
            not_after,
        }),
        ..Certificates::default()
    }
}

fn ejected(address: [u8; 4], minutes: u64) -> EjectedNode {
    EjectedNode {
        address: address.into(),
        since: now() - Duration::from_mins(minutes),
        error: Some("connection refused".to_owned()),
    }
}

fn attempts(made: u64, failed: u64) -> Attempted {
    Attempted {
        made,
        failed,
        ..Attempted::default()
    }
}

/// The only cause.
fn only(evidence: &Evidence) -> Found {
    let mut found = causes(evidence);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn judged(change: impl FnOnce(&mut Evidence)) -> Option<(CauseKind, Severity)> {
    let mut evidence = well();
    change(&mut evidence);
    let found = causes(&evidence);
    assert!(found.len() <= 1, "{found:?}");
    found.first().map(|one| (one.kind, one.severity))
}

#[test]
fn nothing_is_wrong_with_a_process_that_is_well() {
    assert_eq!(judged(|_| {}), None);
}

#[test]
fn ejected_nodes_are_named_and_all_of_them_is_worse() {
    let mut evidence = well();
    evidence.nodes.ejected = vec![ejected([10, 0, 0, 7], 1), ejected([10, 0, 0, 8], 5)];
    let some = only(&evidence);
    assert_eq!(
        (some.kind, some.severity),
        (CauseKind::NodesEjected, Severity::Warning)
    );
    assert_eq!(
        some.text,
        "2 of 4 nodes ejected: 10.0.0.7 (connection refused), 10.0.0.8 (connection refused)."
    );
    assert_eq!(some.since, Some(now() - Duration::from_mins(5)));
    evidence.nodes.healthy = 0;
    let all = only(&evidence);
    assert_eq!(
        (all.kind, all.severity),
        (CauseKind::AllNodesEjected, Severity::ActionRequired)
    );
    // Clients get errors since the last one was ejected.
    assert_eq!(all.since, Some(now() - Duration::from_mins(1)));
    evidence.nodes.ejected = (0..9).map(|n| ejected([10, 0, 0, n], 1)).collect();
    let text = only(&evidence).text;
    assert!(text.ends_with(", 6 more."), "{text}");
}

#[test]
fn a_share_of_failures_counts_from_five_on() {
    let kind = CauseKind::AttemptsFailing;
    for (made, failed, expected) in [
        (0, 4, None),
        (0, 5, Some((kind, Severity::ActionRequired))),
        (5, 5, Some((kind, Severity::ActionRequired))),
        (6, 5, Some((kind, Severity::Warning))),
        (45, 5, Some((kind, Severity::Warning))),
        (46, 5, None),
    ] {
        let found = judged(|evidence| evidence.last_minute = attempts(made, failed));
        assert_eq!(found, expected, "{made} {failed}");
    }
}

#[test]
fn a_manager_that_is_down_is_worse_with_the_breaker_open() {
    let kind = CauseKind::ManagerDown;
    let failing = Some((Some(now()), "connection refused".to_owned()));
    for (breaker_open, severity) in [(false, Severity::Warning), (true, Severity::ActionRequired)] {
        let found = judged(|evidence| {
            evidence.manager = Manager {
                breaker_open,
                failing: failing.clone(),
                login: None,
            };
        });
        assert_eq!(found, Some((kind, severity)));
    }
    let login = judged(|evidence| evidence.manager.login = Some((now(), "401".to_owned())));
    assert_eq!(
        login,
        Some((CauseKind::ManagerLogin, Severity::ActionRequired))
    );
}

#[test]
fn a_certificate_ends_by_days_and_by_its_share_of_life() {
    let kind = CauseKind::CertificateEnding;
    for (life, left, expected) in [
        (90, 14, None),
        (90, 13, Some((kind, Severity::Warning))),
        (90, 2, Some((kind, Severity::ActionRequired))),
        (90, -1, Some((kind, Severity::ActionRequired))),
        // One that is good for six days never has fourteen left.
        (6, 4, None),
        (6, 1, Some((kind, Severity::Warning))),
    ] {
        let found = judged(|evidence| evidence.certificates = Some(lasting(life, left)));
        assert_eq!(found, expected, "{left} of {life}");
    }
    let issuer = judged(|evidence| {
        let mut shown = lasting(90, 60);
        shown.issuers = lasting(900, -1).own;
        evidence.certificates = Some(shown);
    });
    assert_eq!(issuer, Some((kind, Severity::ActionRequired)));
    let mut evidence = well();
    evidence.certificates = Some(lasting(90, -1));
    let ended = only(&evidence);
    assert_eq!(ended.since, Some(now() - Duration::from_secs(DAY)));
    assert_eq!(judged(|evidence| evidence.certificates = None), None);
}

#[test]
fn files_that_cannot_be_used_are_told_with_why() {
    type Fault = fn(&mut FileFaults) -> &mut Option<String>;
    let faults: [(Fault, CauseKind, Severity); 3] = [
        (
            |faults| &mut faults.certificate,
            CauseKind::CertificateUnusable,
            Severity::ActionRequired,
        ),
        (
            |faults| &mut faults.session_keys,
            CauseKind::SessionKeysUnusable,
            Severity::ActionRequired,
        ),
        (
            |faults| &mut faults.ice_secrets,
            CauseKind::IceSecretUnusable,
            Severity::Warning,
        ),
    ];
    for (fault, kind, severity) in faults {
        let mut evidence = well();
        *fault(&mut evidence.faults) = Some("/etc/x: not PEM".to_owned());
        let found = only(&evidence);
        assert_eq!((found.kind, found.severity), (kind, severity));
        assert!(found.text.contains("/etc/x: not PEM"), "{}", found.text);
    }
}

#[test]
fn a_failed_reload_is_told_once() {
    let report = |settings: &str, certificates: &str| Report {
        settings: settings.to_owned(),
        certificates: certificates.to_owned(),
        session_keys: "none".to_owned(),
        ice_secrets: "none".to_owned(),
        nodes: "none".to_owned(),
    };
    let mut evidence = well();
    let mistake = report("failed: line 3: nodes.port is no number", "unchanged");
    evidence.reload = Some(LastReload::new(now(), &mistake));
    evidence.rejected = true;
    let found = only(&evidence);
    assert_eq!(found.kind, CauseKind::ConfigurationUnusable);
    assert!(found.text.contains("line 3: nodes.port"), "{}", found.text);

    let hung = report("unchanged", "failed: nothing could be read within 10s");
    evidence.reload = Some(LastReload::new(now(), &hung));
    evidence.rejected = false;
    let found = only(&evidence);
    assert_eq!(found.kind, CauseKind::ReloadFailed);
    assert_eq!(found.since, Some(now()));
    assert!(
        found.text.contains("certificate: nothing"),
        "{}",
        found.text
    );

    evidence.reload = Some(LastReload::new(now(), &report("unchanged", "unchanged")));
    assert!(causes(&evidence).is_empty());
}

#[test]
fn a_limit_is_told_from_nine_tenths_on() {
    for (used, expected) in [
        (8, None),
        (9, Some((CauseKind::LimitReached, Severity::Warning))),
        (10, Some((CauseKind::LimitReached, Severity::Warning))),
    ] {
        let found = judged(|evidence| {
            evidence.limits[0].most = 10;
            evidence.limits[0].used = used;
        });
        assert_eq!(found, expected, "{used}");
    }
}

#[test]
fn a_process_that_starts_or_drains_is_not_healthy() {
    let starting = judged(|evidence| evidence.stage = Stage::Starting);
    assert_eq!(starting, Some((CauseKind::Starting, Severity::Warning)));
    let mut evidence = well();
    let times = DrainTimes {
        began: now() - Duration::from_mins(2),
        deadline: now(),
    };
    for (stage, result, word) in [
        (Stage::Draining, None, "Draining"),
        (Stage::Drained, Some(Drained::Whole), "by itself"),
    ] {
        evidence.stage = stage;
        evidence.drain = Some(crate::Drain {
            times,
            exchanges: 0,
            sockets: 0,
            result,
        });
        let found = only(&evidence);
        assert_eq!(found.kind, CauseKind::Draining);
        assert!(found.text.contains(word), "{}", found.text);
        assert_eq!(found.since, Some(times.began));
    }
}
