//! Checks resources with kustomize, Kubernetes' schemas and the rules for the pod.

use serde_json::Value;

use super::report::{Report, none};
use super::{Bench, custom, manifest};
use crate::{Result, command};

const OVERLAYS: [&str; 2] = ["edge", "sidecar"];
/// The newest Kubernetes that there are schemas for, and the first in which native sidecars are
/// stable.
const VERSIONS: [&str; 2] = ["1.37", "1.33"];

/// Both overlays.
pub(crate) fn check(bench: &Bench, report: &mut Report) {
    for overlay in OVERLAYS {
        let name = format!("kubernetes/overlays/{overlay}");
        let built = report.check(&format!("{name}: kustomize builds it"), || {
            let mut kubectl = bench.tools.program("kubectl");
            kubectl
                .arg("kustomize")
                .arg(bench.root.join("deploy").join(&name));
            command::output(&mut kubectl, b"")
        });
        if let Some(built) = built {
            resources(bench, report, &name, &built);
        }
    }
}

/// Everything that holds for resources, whatever rendered them.
pub(crate) fn resources(bench: &Bench, report: &mut Report, name: &str, yaml: &str) {
    let Some(documents) = report.check(&format!("{name}: it is YAML"), || bench.tools.yaml(yaml))
    else {
        return;
    };
    for version in VERSIONS {
        report.check(&format!("{name}: Kubernetes {version} takes it"), || {
            schema(bench, name, yaml, &documents, version)
        });
    }
    report.check(&format!("{name}: the operators take theirs"), || {
        custom::check(bench, &documents)
    });
    for (promise, holds) in manifest::PROMISES {
        report.check(&format!("{name}: {promise}"), || {
            none(&holds(&manifest::Manifest::new(&documents, bench)?))
        });
    }
}

/// Each resource has to be named as passed; a silent one would be one that was not checked.
fn schema(bench: &Bench, name: &str, yaml: &str, documents: &[Value], version: &str) -> Result {
    let file = bench.write(&format!("{}.yaml", name.replace('/', "-")), yaml)?;
    let mut validate = bench.tools.python();
    validate
        .args(["-m", "kubernetes_validate", "--strict", "-k", version])
        .arg(file);
    let said = command::output(&mut validate, b"")?;
    let passed = said
        .lines()
        .filter(|line| line.contains(" passed "))
        .count();
    let ours = documents.iter().filter(|one| !custom::is(one)).count();
    if passed == ours {
        return Ok(());
    }
    Err(format!("{passed} of {ours} resources passed:\n{said}").into())
}
