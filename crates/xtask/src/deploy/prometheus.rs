//! Scrape configurations, rules, and the test of each alert, all by promtool.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::Bench;
use super::metrics::Page;
use super::pod::{list_at, text};
use super::report::{Report, none};
use crate::{Result, command};

const SCRAPES: [&str; 3] = ["scrape-host.yml", "scrape-pod.yml", "scrape-federation.yml"];
const RULES: [&str; 2] = ["recording.yml", "alerts.yml"];
/// How pods are found, which Debian's build of Prometheus does not know.
const DISCOVERY: &str = "kubernetes_sd_configs:\n      - role: pod";

/// Everything in deploy/prometheus.
pub(crate) fn check(bench: &Bench, report: &mut Report) {
    let folder = bench.root.join("deploy/prometheus");
    let promtool = |arguments: &[&str]| {
        let mut promtool = Command::new("promtool");
        promtool.args(arguments).current_dir(&folder);
        command::output(&mut promtool, b"")
    };
    for scrape in SCRAPES {
        report.check(&format!("prometheus/{scrape}: promtool takes it"), || {
            let known = bench.read(&format!("prometheus/{scrape}"))?;
            let known = known
                .replace(DISCOVERY, "static_configs:\n      - targets: []")
                .replace("[recording.yml, alerts.yml]", "[]");
            let file = bench.write(scrape, &known)?.display().to_string();
            promtool(&["check", "config", &file])
        });
    }
    report.check("prometheus: promtool takes the rules", || {
        promtool(&["check", "rules", "recording.yml", "alerts.yml"])
    });
    report.check("prometheus: the alerts' own tests hold", || {
        promtool(&["test", "rules", "alerts_test.yml"])
    });
    report.check("prometheus: each alert is tested, loud and quiet", || {
        tested(bench)
    });
    report.check(
        "prometheus: every metric in the rules exists, with its labels",
        || known(bench),
    );
    report.check(
        "prometheus/adapter.yml: it names a metric that exists",
        || {
            let page = Page::read(bench)?;
            let adapter = bench.read("prometheus/adapter.yml")?;
            none(&page.unknown_names(&adapter, &BTreeSet::new()))
        },
    );
}

/// The rules of a file.
fn rules(bench: &Bench, file: &str) -> Result<Vec<Value>> {
    let documents = bench
        .tools
        .yaml(&bench.read(&format!("prometheus/{file}"))?)?;
    let groups = documents.iter().flat_map(|one| list_at(one, "/groups"));
    Ok(groups
        .flat_map(|group| list_at(group, "/rules"))
        .cloned()
        .collect())
}

/// The names that recording rules give.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn recorded(bench: &Bench) -> Result<BTreeSet<String>> {
    let rules = rules(bench, "recording.yml")?;
    Ok(rules
        .iter()
        .map(|rule| text(rule, "/record").to_owned())
        .collect())
}

fn known(bench: &Bench) -> Result {
    let (page, recorded) = (Page::read(bench)?, recorded(bench)?);
    let mut unknown = Vec::new();
    for file in RULES {
        for rule in rules(bench, file)? {
            unknown.extend(page.unknown(text(&rule, "/expr"), &recorded));
        }
    }
    none(&unknown)
}

fn tested(bench: &Bench) -> Result {
    let tests = bench
        .tools
        .yaml(&bench.read("prometheus/alerts_test.yml")?)?;
    let (mut loud, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    let cases = tests.iter().flat_map(|one| list_at(one, "/tests"));
    for case in cases.flat_map(|test| list_at(test, "/alert_rule_test")) {
        let fires = list_at(case, "/exp_alerts").next().is_some();
        let seen = if fires { &mut loud } else { &mut quiet };
        seen.insert(text(case, "/alertname").to_owned());
    }
    let alerts = rules(bench, "alerts.yml")?;
    let untested = alerts.iter().map(|alert| text(alert, "/alert"));
    let untested = untested.filter(|name| !loud.contains(*name) || !quiet.contains(*name));
    none(&untested.map(str::to_owned).collect::<Vec<_>>())
}
