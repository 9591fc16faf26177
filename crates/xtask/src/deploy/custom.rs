//! The resources of operators, which Kubernetes' own schemas do not know.

use serde_json::Value;

use super::Bench;
use crate::{Result, command};

/// Whether `resource` is one of an operator.
pub(crate) fn is(resource: &Value) -> bool {
    let version = resource.get("apiVersion").and_then(Value::as_str);
    let groups = [
        "cert-manager.io/",
        "gateway.networking.k8s.io/",
        "monitoring.coreos.com/",
    ];
    version.is_some_and(|version| groups.iter().any(|group| version.starts_with(group)))
}

/// Checks the operators' resources among `documents`: values by the operators' schemas, unknown
/// fields by their types.
///
/// # Errors
/// A resource that an operator would refuse.
pub(crate) fn check(bench: &Bench, documents: &[Value]) -> Result {
    let custom: Vec<_> = documents.iter().filter(|one| is(one)).collect();
    let json = serde_json::to_vec(&custom)?;
    command::output(&mut bench.tools.node("custom.mjs")?, &json).map(drop)
}
