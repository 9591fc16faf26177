//! Checks the chart: lint, values that must be refused, and renders equal to the committed ones.

use std::fs;
use std::process::Command;

use super::report::{Report, none};
use super::{Bench, kubernetes};
use crate::{Result, command};

/// Each is `deploy/helm/cases/NAME.yaml`, and rendered `deploy/helm/golden/NAME.yaml`.
pub(super) const CASES: [&str; 6] = [
    "edge",
    "edge-plain",
    "edge-full",
    "gateway",
    "gateway-tls",
    "sidecar",
];
/// A chart can read only files inside it: each file of `files/`, and its source.
const COPIES: [(&str, &str); 3] = [
    ("alerts.yml", "prometheus/alerts.yml"),
    ("recording.yml", "prometheus/recording.yml"),
    ("dashboard.json", "grafana/whipstitch.json"),
];
/// Values that must be refused, and a word of the reason.
const REFUSED: [(&str, &str); 18] = [
    ("streamManager.url=", "url"),
    ("streamManager.url=http://manager:5080/?a=b", "url"),
    ("mode=daemonset", "mode"),
    ("mode=sidecar", "containers"),
    ("ports.https=0", "https"),
    ("certificate.create=true", "dnsNames"),
    ("shutdown.delaySeconds=0", "delaySeconds"),
    ("replica=3", "replica"),
    ("config=text", "config"),
    ("config.nodes.allow.more=1", "config"),
    ("config.listen.https=0.0.0.0:1", "ports.https"),
    ("config.listen.admin=0.0.0.0:1", "ports.admin"),
    ("config.shutdown.delay=1s", "shutdown.delaySeconds"),
    ("config.admin.socket=/tmp/socket", "preStop"),
    ("tls.secret=", "ports.http"),
    ("runbooks=on-call.md", "runbooks"),
    ("fullnameOverride=A_B", "fullnameOverride"),
    ("extraEnv[0].value=1", "name"),
];
/// Kinds that a plain cluster does not know.
const OF_OPERATORS: [&str; 5] = [
    "Certificate",
    "HorizontalPodAutoscaler",
    "PodMonitor",
    "PrometheusRule",
    "ServiceMonitor",
];
/// The page with a row for each value.
const PAGE: &str = "helm/whipstitch/README.md";

/// The chart, its golden renders, and everything that holds for resources.
pub(crate) fn check(bench: &Bench, report: &mut Report) {
    report.check(
        "helm: the chart's copies are those of deploy/prometheus and deploy/grafana",
        || {
            let differs =
                |(name, from): &(&str, &str)| match (bench.read(from), copied(bench, name)) {
                    (Ok(original), Ok(copy)) => original != copy,
                    _ => true,
                };
            let stale = COPIES.into_iter().filter(differs);
            none(&stale.map(|(name, _)| advice(name)).collect::<Vec<_>>())
        },
    );
    for case in CASES {
        report.check(&format!("helm {case}: lint finds nothing"), || {
            command::output(
                helm(bench, &["lint", "--strict"]).args(values(bench, case)),
                b"",
            )
        });
        let rendered = report.check(&format!("helm {case}: it renders"), || render(bench, case));
        let Some(rendered) = rendered else { continue };
        report.check(&format!("helm {case}: as committed"), || {
            let golden = bench.read(&golden(case)).unwrap_or_default();
            none(&Vec::from_iter(
                (golden != short(&rendered)).then(|| advice(case)),
            ))
        });
        kubernetes::resources(bench, report, &format!("helm {case}"), &rendered);
    }
    report.check("helm edge: a plain cluster has all that it needs", || {
        let rendered = render(bench, "edge")?;
        let kinds = rendered
            .lines()
            .filter_map(|line| line.strip_prefix("kind: "));
        none(
            &kinds
                .filter(|kind| OF_OPERATORS.contains(kind))
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    });
    report.check("helm: README.md has every value", || none(&untold(bench)?));
    for (value, word) in REFUSED {
        report.check(&format!("helm: --set {value} is refused"), || {
            let mut template = helm(bench, &["template"]);
            template.args(values(bench, "edge")).args(["--set", value]);
            match command::output(&mut template, b"") {
                Err(error) if error.to_string().contains(word) => Ok(()),
                Err(error) => Err(format!("the reason names no {word}: {error}").into()),
                Ok(_) => Err("it was taken".into()),
            }
        });
    }
}

/// Writes the copies and the golden renders.
///
/// # Errors
/// The chart cannot be rendered.
pub(crate) fn write(bench: &Bench) -> Result {
    let deploy = bench.root.join("deploy");
    for (name, from) in COPIES {
        fs::write(deploy.join(copy(name)), bench.read(from)?)?;
    }
    for case in CASES {
        fs::write(deploy.join(golden(case)), short(&render(bench, case)?))?;
    }
    Ok(())
}

/// A render without what is copied from elsewhere: the dashboard, which is one long line.
fn short(rendered: &str) -> String {
    let is_dashboard = |line: &str| line.trim_start().starts_with("{\"annotations\"");
    let lines = rendered
        .lines()
        .map(|line| if is_dashboard(line) { "    {}" } else { line });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Values that have no row on the chart's page, and rows of values that do not exist.
fn untold(bench: &Bench) -> Result<Vec<String>> {
    let values = bench
        .tools
        .yaml(&bench.read("helm/whipstitch/values.yaml")?)?;
    let values = values.first().ok_or("values.yaml is empty")?;
    let mut there = Vec::new();
    for (name, value) in values.as_object().into_iter().flatten() {
        match value.as_object() {
            // Labels and annotations are one value; so are resources and a pod's specification.
            Some(parts) if !parts.is_empty() && name != "resources" => {
                there.extend(parts.keys().map(|part| format!("{name}.{part}")));
            }
            _ => there.push(name.clone()),
        }
    }
    let page = bench.read(PAGE)?;
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let told: Vec<&str> = rows.map(|(name, _)| name).collect();
    let missing = there.iter().filter(|name| !told.contains(&name.as_str()));
    let made_up = told
        .iter()
        .filter(|name| !there.iter().any(|one| one == *name));
    Ok(missing
        .map(|name| format!("{PAGE} has no row for {name}"))
        .chain(made_up.map(|name| format!("{PAGE} has a row for {name}, which is no value")))
        .collect())
}

fn render(bench: &Bench, case: &str) -> Result<String> {
    let mut template = helm(
        bench,
        &["template", "--namespace", "whipstitch", "whipstitch"],
    );
    let rendered = command::output(template.args(values(bench, case)), b"")?;
    // Indentation of empty lines, which editors would remove.
    let lines = rendered.lines().map(str::trim_end);
    Ok(lines.flat_map(|line| [line, "\n"]).collect())
}

fn helm(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = bench.tools.program("helm");
    command
        .args(arguments)
        .arg(bench.root.join("deploy/helm/whipstitch"));
    command
}

fn values(bench: &Bench, case: &str) -> Vec<String> {
    let file = bench.root.join(format!("deploy/helm/cases/{case}.yaml"));
    vec!["--values".to_owned(), file.display().to_string()]
}

fn copied(bench: &Bench, name: &str) -> Result<String> {
    bench.read(&copy(name))
}

fn copy(name: &str) -> String {
    format!("helm/whipstitch/files/{name}")
}

fn golden(case: &str) -> String {
    format!("helm/golden/{case}.yaml")
}

fn advice(name: &str) -> String {
    format!("{name} is out of date: run `cargo xtask deploy --write`, and look at the difference")
}
