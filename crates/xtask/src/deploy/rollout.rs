//! Rollouts and evictions of a manifest: another replica is ready before one stops, and there are
//! several.

use serde_json::Value;

use super::manifest::Manifest;
use super::pod::text;

/// Why clients would notice a rollout or an eviction.
///
/// A sidecar's replicas are the manager's; its grace period makes it stop last in its pod.
pub(super) fn unsteady(manifest: &Manifest<'_>) -> Vec<String> {
    if manifest.pod.is_sidecar {
        return Vec::new();
    }
    let number = |one: &Value, path: &str| one.pointer(path).and_then(Value::as_u64);
    let mut wrong = Vec::new();
    for deployment in manifest.of_kind("Deployment") {
        let update = |what: &str| {
            let path = format!("/spec/strategy/rollingUpdate/{what}");
            number(deployment, &path)
        };
        if update("maxUnavailable") != Some(0) || update("maxSurge").is_none_or(|more| more == 0) {
            wrong.push("a rollout ends a replica before the next is ready".to_owned());
        }
    }
    let scalers = manifest.of_kind("HorizontalPodAutoscaler");
    let fewest = scalers.filter_map(|one| number(one, "/spec/minReplicas"));
    let fixed = manifest.of_kind("Deployment");
    let fixed = fixed.filter_map(|one| number(one, "/spec/replicas"));
    if fewest
        .chain(fixed)
        .max()
        .is_none_or(|replicas| replicas < 2)
    {
        wrong.push("one replica alone".to_owned());
    }
    let budgets: Vec<_> = manifest.of_kind("PodDisruptionBudget").collect();
    let one_by_one = |budget: &&Value| {
        number(budget, "/spec/maxUnavailable") == Some(1)
            && manifest
                .pod
                .is_selected_by(budget.pointer("/spec/selector/matchLabels"))
    };
    if !budgets.iter().any(one_by_one) {
        let names: Vec<_> = budgets
            .iter()
            .map(|one| text(one, "/metadata/name"))
            .collect();
        wrong.push(format!("no budget evicts one at a time: {names:?}"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn documents(unavailable: u64, replicas: u64, budget: u64) -> Vec<Value> {
        vec![
            json!({
                "kind": "Deployment",
                "spec": {
                    "replicas": replicas,
                    "strategy": {"rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": 1}},
                    "template": {
                        "metadata": {"labels": {"a": "b"}},
                        "spec": {"containers": [{"name": "whipstitch"}]},
                    },
                },
            }),
            json!({
                "kind": "PodDisruptionBudget",
                "metadata": {"name": "whipstitch"},
                "spec": {"maxUnavailable": budget, "selector": {"matchLabels": {"a": "b"}}},
            }),
        ]
    }

    #[test]
    fn each_way_to_take_too_many_away_is_found() {
        let judge = |documents: &[Value]| unsteady(&Manifest::for_tests(documents, "")).len();
        assert_eq!(judge(&documents(0, 2, 1)), 0);
        assert_eq!(judge(&documents(1, 2, 1)), 1);
        assert_eq!(judge(&documents(0, 1, 1)), 1);
        assert_eq!(judge(&documents(0, 2, 2)), 1);
        assert_eq!(judge(&documents(0, 2, 1)[..1]), 1);
    }
}
