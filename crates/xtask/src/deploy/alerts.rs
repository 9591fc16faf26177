//! What a person on call relies on: two severities that every Alertmanager routes, and for each
//! alert and each panel of the dashboard a place in the pages that says what to do.
//!
//! The rules are read line by line, so that this needs no tool and runs as a unit test too.

use std::path::Path;

use super::pages;
use super::report::{Report, none};
use super::{Bench, dashboard};

/// Stands for the place where operators keep these pages.
const PLACE: &str = "https://whipstitch.example.com/";
const SEVERITIES: [&str; 2] = ["critical", "warning"];
const RULES: &str = "prometheus/alerts.yml";

/// Severities and runbooks of the alerts, and the links of the dashboard.
pub(super) fn check(bench: &Bench, report: &mut Report) {
    report.check(
        "prometheus: each alert is critical or warning, and its runbook is there",
        || {
            none(&wrong(&bench.read(RULES)?, |target| {
                leads(&bench.root, target)
            }))
        },
    );
    report.check("grafana: links lead to alerts and runbooks", || {
        none(&dashboard::wrong_links(bench, |target| {
            leads(&bench.root, target)
        })?)
    });
}

/// Whether a page and its heading are there, by the URL that stands for them.
fn leads(root: &Path, target: &str) -> bool {
    let page_and_heading = target.strip_prefix(PLACE).and_then(|at| at.split_once('#'));
    let Some((page, heading)) = page_and_heading else {
        return false;
    };
    let page = std::fs::read_to_string(root.join(page)).unwrap_or_default();
    pages::anchors(&page).any(|anchor| anchor == heading)
}

/// One alert of the rules.
#[derive(Debug, Default)]
struct Alert<'t> {
    name: &'t str,
    severity: &'t str,
    runbook: &'t str,
}

fn alerts(rules: &str) -> Vec<Alert<'_>> {
    let mut all: Vec<Alert<'_>> = Vec::new();
    for line in rules.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            all.push(Alert {
                name,
                ..Alert::default()
            });
        }
        let Some(alert) = all.last_mut() else {
            continue;
        };
        if let Some((_, after)) = line.split_once("severity: ").filter(|_| is_labels(line)) {
            alert.severity = after.split([',', '}']).next().unwrap_or_default().trim();
        }
        if let Some(runbook) = line.strip_prefix("runbook_url: ") {
            alert.runbook = runbook;
        }
    }
    all
}

fn is_labels(line: &str) -> bool {
    line.starts_with("labels:") || line.starts_with("severity:")
}

fn wrong(rules: &str, leads: impl Fn(&str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let alerts = alerts(rules);
    if alerts.is_empty() {
        wrong.push("there is no alert".to_owned());
    }
    for alert in alerts {
        if !SEVERITIES.contains(&alert.severity) {
            let (name, severity) = (alert.name, alert.severity);
            wrong.push(format!(
                "{name}: severity: {severity:?} is none of {SEVERITIES:?}"
            ));
        }
        if !leads(alert.runbook) {
            wrong.push(format!(
                "{}: runbook_url: {:?} is no heading of a page; write \
                 {PLACE}deploy/on-call.md#{} and a heading ### {0} there",
                alert.name,
                alert.runbook,
                pages::anchor(alert.name)
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_severities_and_lost_runbooks_are_found() {
        let rules = "groups:\n- alert: A\n  labels: {severity: critical}\n  runbook_url: there\n\
                     - alert: B\n  labels: {severity: page}\n  runbook_url: there\n\
                     - alert: C\n  labels:\n    severity: warning\n  runbook_url: gone\n\
                     - alert: D\n  summary: \"severity: critical\"\n";
        let wrong = wrong(rules, |target| target == "there");
        let of = |name: &str| wrong.iter().filter(|one| one.starts_with(name)).count();
        assert_eq!(["A", "B", "C", "D"].map(of), [0, 1, 1, 2], "{wrong:?}");
    }

    #[test]
    fn our_own_alerts_have_a_severity_and_a_runbook() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let rules = std::fs::read_to_string(root.join("deploy").join(RULES)).unwrap();
        let wrong = wrong(&rules, |target| leads(&root, target));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
