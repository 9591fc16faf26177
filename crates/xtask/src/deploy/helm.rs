//! The chart: linted, refused where it has to be, and rendered to what is committed.

use std::fs;
use std::process::Command;

use super::report::{Report, none};
use super::{Bench, kubernetes};
use crate::{Result, command};

/// Each is `deploy/helm/cases/NAME.yaml`, and rendered `deploy/helm/golden/NAME.yaml`.
const CASES: [&str; 3] = ["edge", "edge-plain", "sidecar"];
/// What a chart needs has to lie inside it.
const COPIES: [&str; 2] = ["alerts.yml", "recording.yml"];
/// Values that must be refused, and a word of the reason.
const REFUSED: [(&str, &str); 8] = [
    ("streamManager.url=", "url"),
    ("streamManager.url=http://manager:5080/path", "url"),
    ("mode=daemonset", "mode"),
    ("mode=sidecar", "containers"),
    ("ports.https=0", "https"),
    ("certificate.dnsNames=null", "dnsNames"),
    ("shutdown.delaySeconds=0", "delaySeconds"),
    ("replica=3", "replica"),
];

/// The chart, its golden renders, and everything that holds for resources.
pub(crate) fn check(bench: &Bench, report: &mut Report) {
    report.check(
        "helm: the chart's copies are those of deploy/prometheus",
        || {
            let differs = |name: &&str| match (original(bench, name), bench.read(&copy(name))) {
                (Ok(original), Ok(copy)) => original != copy,
                _ => true,
            };
            let stale: Vec<_> = COPIES.into_iter().filter(differs).map(advice).collect();
            none(&stale)
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
            none(&Vec::from_iter((golden != rendered).then(|| advice(case))))
        });
        kubernetes::resources(bench, report, &format!("helm {case}"), &rendered);
    }
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
    for name in COPIES {
        fs::write(deploy.join(copy(name)), original(bench, name)?)?;
    }
    for case in CASES {
        fs::write(deploy.join(golden(case)), render(bench, case)?)?;
    }
    Ok(())
}

fn render(bench: &Bench, case: &str) -> Result<String> {
    let mut template = helm(
        bench,
        &["template", "--namespace", "whipstitch", "whipstitch"],
    );
    let rendered = command::output(template.args(values(bench, case)), b"")?;
    // Indentation of empty lines, which editors and reviewers would take away.
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

fn original(bench: &Bench, name: &str) -> Result<String> {
    bench.read(&format!("prometheus/{name}"))
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
