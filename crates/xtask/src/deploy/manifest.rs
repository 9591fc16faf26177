//! Rules for every rendering, kustomize's or helm's, that no schema has.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::Bench;
use super::metrics::Page;
use super::pod::{Pod, list_at, text};
use super::rollout;
use crate::Result;

/// A rule, and what breaks it.
pub(crate) type Promise = (&'static str, fn(&Manifest<'_>) -> Vec<String>);

/// What is checked of each manifest.
pub(crate) const PROMISES: [Promise; 7] = [
    ("its pod keeps to the restricted profile", restricted),
    ("its probes ask Whipstitch alone", probes),
    ("its grace period is longer than the whole end", grace),
    (
        "a rollout stops no pod before another one is ready",
        rollout::unsteady,
    ),
    ("its files are mounted where the configuration looks", files),
    ("everything that selects finds the pod", selectors),
    ("the cloud's metadata service cannot be reached", metadata),
];

/// The cloud's metadata service, at every large one.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Seconds that connections have to flush their last answer, and that the kubelet may be late.
const SPARE: u64 = 1 + 5;

/// The resources of one rendering.
#[derive(Debug)]
pub(crate) struct Manifest<'a> {
    documents: &'a [Value],
    pub(super) pod: Pod<'a>,
    /// whipstitch.toml
    pub(crate) configuration: &'a str,
    metrics: Page,
}

impl<'a> Manifest<'a> {
    /// # Errors
    /// There is no pod with Whipstitch, or no configuration for it.
    pub(crate) fn new(documents: &'a [Value], bench: &Bench) -> Result<Self> {
        let configuration = documents
            .iter()
            .find_map(|one| one.pointer("/data/whipstitch.toml")?.as_str());
        Ok(Self {
            documents,
            pod: Pod::find(documents)?,
            configuration: configuration.ok_or("no ConfigMap holds whipstitch.toml")?,
            metrics: Page::read(bench)?,
        })
    }

    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        let kind = kind.to_owned();
        let documents = self.documents.iter();
        documents.filter(move |one| text(one, "/kind") == kind)
    }

    /// The configuration's `key = "…"`, wherever it stands; the keys that are asked for are unique.
    fn setting(&self, key: &str) -> Option<&'a str> {
        self.configuration.lines().find_map(|line| {
            let value = line.strip_prefix(key)?.strip_prefix(" = \"")?;
            value.strip_suffix('"')
        })
    }

    fn seconds(&self, key: &str) -> Option<u64> {
        self.setting(key)?.strip_suffix('s')?.parse().ok()
    }
}

/// Kubernetes' Pod Security Standards, "restricted", and a root file system that cannot be written.
fn restricted(manifest: &Manifest<'_>) -> Vec<String> {
    let pod = manifest.pod;
    let expected = [
        ("/runAsNonRoot", json!(true)),
        ("/runAsUser", json!(65532)),
        ("/allowPrivilegeEscalation", json!(false)),
        ("/readOnlyRootFilesystem", json!(true)),
        ("/capabilities", json!({"drop": ["ALL"]})),
        ("/seccompProfile/type", json!("RuntimeDefault")),
    ];
    let mut wrong: Vec<_> = expected
        .into_iter()
        .filter(|(field, value)| pod.security(field) != Some(value))
        .map(|(field, value)| format!("securityContext{field} is not {value}"))
        .collect();
    for field in ["/hostNetwork", "/hostPID", "/hostIPC"] {
        if pod.spec.pointer(field).is_some() {
            wrong.push(format!("the pod has {field}"));
        }
    }
    if !pod.is_sidecar && pod.spec.get("automountServiceAccountToken") != Some(&json!(false)) {
        wrong.push("the pod gets a token of its service account".to_owned());
    }
    let image = text(pod.container, "/image");
    let name = image.rsplit('/').next().unwrap_or_default();
    if !name.contains([':', '@']) || name.ends_with(":latest") {
        wrong.push(format!("the image {image} is not pinned"));
    }
    wrong
}

fn probes(manifest: &Manifest<'_>) -> Vec<String> {
    let expected = [
        ("startupProbe", "/startupz"),
        ("livenessProbe", "/livez"),
        ("readinessProbe", "/readyz"),
    ];
    let wrong = expected.into_iter().filter(|(probe, path)| {
        let get = manifest.pod.container.pointer(&format!("/{probe}/httpGet"));
        get != Some(&json!({"path": path, "port": "admin"}))
    });
    let mut wrong: Vec<_> = wrong
        .map(|(probe, path)| format!("{probe} does not get {path} from the port admin"))
        .collect();
    if manifest.pod.is_sidecar && text(manifest.pod.container, "/restartPolicy") != "Always" {
        wrong.push("an init container without restartPolicy: Always is no sidecar".to_owned());
    }
    wrong
}

/// preStop drains, and SIGTERM comes after it: together they have to fit.
fn grace(manifest: &Manifest<'_>) -> Vec<String> {
    let pod = manifest.pod;
    let mut wrong = Vec::new();
    let drains = json!(["/usr/bin/whipstitch", "drain", "--wait"]);
    if pod.container.pointer("/lifecycle/preStop/exec/command") != Some(&drains) {
        wrong.push(format!("preStop does not run {drains}"));
    }
    let grace = pod.spec.get("terminationGracePeriodSeconds");
    let grace = grace.and_then(Value::as_u64);
    match (manifest.seconds("delay"), manifest.seconds("deadline"), grace) {
        // Without a delay clients would still come when it has gone.
        (Some(delay @ 1..), Some(deadline), Some(grace)) if delay + deadline + SPARE <= grace => {}
        (delay, deadline, grace) => wrong.push(format!(
            "shutdown.delay (s) {delay:?}, shutdown.deadline (s) {deadline:?} and {SPARE} s do not fit into \
             terminationGracePeriodSeconds {grace:?}, or one is missing"
        )),
    }
    wrong
}

fn files(manifest: &Manifest<'_>) -> Vec<String> {
    let mounts = manifest.pod.mounts();
    let mut wrong: Vec<_> = mounts
        .iter()
        .filter(|(_, volume)| volume.is_none())
        .map(|(path, _)| format!("there is no volume for {path}"))
        .collect();
    // Without TLS there is no certificate.
    let is_tls = manifest.configuration.contains("\nhttps = ");
    let tls = [("cert", "secret"), ("key", "secret")];
    let always = [("key_file", "secret"), ("socket", "emptyDir")];
    for (key, kind) in tls.into_iter().filter(|_| is_tls).chain(always) {
        let path = manifest.setting(key).unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mounted = mounts.iter().find(|(at, _)| *at == folder);
        let is_kind =
            mounted.is_some_and(|(_, volume)| volume.is_some_and(|one| one.get(kind).is_some()));
        if !is_kind {
            wrong.push(format!("{key} = {path:?} is in no volume of kind {kind}"));
        }
    }
    let secrets = mounts
        .iter()
        .filter_map(|(_, volume)| volume.as_ref()?.get("secret"));
    // 0440, which reaches its user by the pod's fsGroup.
    if secrets
        .into_iter()
        .any(|secret| secret.get("defaultMode") != Some(&json!(0o440)))
        || manifest
            .pod
            .spec
            .pointer("/securityContext/fsGroup")
            .is_none()
    {
        wrong.push("a secret can be read by every user, or by none".to_owned());
    }
    if list_at(manifest.pod.container, "/volumeMounts").any(|mount| mount.get("subPath").is_some())
    {
        wrong.push("what is mounted by subPath never changes".to_owned());
    }
    wrong
}

fn selectors(manifest: &Manifest<'_>) -> Vec<String> {
    let pod = manifest.pod;
    let mut wrong = Vec::new();
    for (kind, path) in [
        ("Service", "/spec/selector"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
        ("PodMonitor", "/spec/selector/matchLabels"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("Deployment", "/spec/selector/matchLabels"),
    ] {
        for one in manifest.of_kind(kind) {
            if !pod.is_selected_by(one.pointer(path)) {
                wrong.push(format!(
                    "{kind} {} does not select the pod",
                    text(one, "/metadata/name")
                ));
            }
        }
    }
    let ports = (manifest.of_kind("PodMonitor"))
        .flat_map(|one| list_at(one, "/spec/podMetricsEndpoints"))
        .map(|one| text(one, "/port"))
        .chain(
            (manifest.of_kind("Service"))
                .flat_map(|one| list_at(one, "/spec/ports"))
                .map(|one| text(one, "/targetPort")),
        );
    let has = pod.ports();
    wrong.extend(
        ports
            .filter(|port| !has.contains(port))
            .map(|port| format!("the container has no port {port}")),
    );
    for monitor in manifest.of_kind("ServiceMonitor") {
        let wanted = monitor
            .pointer("/spec/selector/matchLabels")
            .and_then(Value::as_object);
        let has = |service: &&Value| {
            let labels = service.pointer("/metadata/labels");
            let has = |(name, value)| labels.and_then(|all| all.get(name)) == Some(value);
            wanted.is_some_and(|wanted| wanted.iter().all(has))
        };
        let services: Vec<_> = manifest.of_kind("Service").filter(has).collect();
        let is_private = |one: &&Value| text(one, "/spec/type") == "ClusterIP";
        if services.len() != 1 || !services.iter().all(is_private) {
            wrong.push(format!(
                "a ServiceMonitor selects {} services, not one inside the cluster",
                services.len()
            ));
        }
    }
    for scaler in manifest.of_kind("HorizontalPodAutoscaler") {
        for metric in list_at(scaler, "/spec/metrics") {
            let name = text(metric, "/pods/metric/name");
            if !name.is_empty() && !manifest.metrics.has(name) {
                wrong.push(format!("there is no metric {name}"));
            }
        }
    }
    wrong
}

/// Every network that may be dialled and holds the service has to except it.
fn metadata(manifest: &Manifest<'_>) -> Vec<String> {
    let policies: Vec<_> = manifest.of_kind("NetworkPolicy").collect();
    if policies.is_empty() {
        return vec!["there is no NetworkPolicy".to_owned()];
    }
    let blocks = (policies.into_iter())
        .flat_map(|policy| list_at(policy, "/spec/egress"))
        .flat_map(|rule| list_at(rule, "/to"))
        .filter_map(|peer| peer.get("ipBlock"));
    let open = blocks.filter(|block| {
        let excepted = list_at(block, "/except").filter_map(Value::as_str);
        holds(text(block, "/cidr")) && !excepted.into_iter().any(holds)
    });
    open.map(|block| format!("{block} holds {METADATA}"))
        .collect()
}

/// Whether an IPv4 network holds [`METADATA`].
fn holds(network: &str) -> bool {
    let parsed = network.split_once('/').and_then(|(address, bits)| {
        let address: Ipv4Addr = address.parse().ok()?;
        Some((address.to_bits(), bits.parse::<u32>().ok()?))
    });
    parsed.is_some_and(|(address, bits)| {
        let host_bits = 32_u32.saturating_sub(bits);
        let cut = |address: u32| address.checked_shr(host_bits).unwrap_or(0);
        cut(address) == cut(METADATA.to_bits())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents() -> Vec<Value> {
        vec![json!({
            "kind": "Deployment",
            "spec": {"template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {
                    "terminationGracePeriodSeconds": 76,
                    "containers": [{"name": "whipstitch", "lifecycle": {"preStop": {"exec": {
                        "command": ["/usr/bin/whipstitch", "drain", "--wait"]}}}}],
                },
            }},
        })]
    }

    impl<'a> Manifest<'a> {
        /// Of these resources, with this configuration and no metrics.
        pub(crate) fn for_tests(documents: &'a [Value], configuration: &'a str) -> Self {
            Self {
                documents,
                pod: Pod::find(documents).unwrap(),
                configuration,
                metrics: Page::default(),
            }
        }
    }

    #[test]
    fn the_grace_period_is_added_up() {
        let documents = documents();
        let judge = |text| grace(&Manifest::for_tests(&documents, text));
        assert!(judge("delay = \"10s\"\ndeadline = \"60s\"").is_empty());
        assert_eq!(judge("delay = \"10s\"\ndeadline = \"61s\"").len(), 1);
        assert_eq!(judge("deadline = \"60s\"").len(), 1);
    }

    #[test]
    fn a_pod_without_a_security_context_keeps_nothing() {
        assert_eq!(restricted(&Manifest::for_tests(&documents(), "")).len(), 8);
    }

    #[test]
    fn networks_that_hold_the_metadata_service() {
        for network in ["0.0.0.0/0", "169.254.0.0/16", "169.254.169.254/32"] {
            assert!(holds(network), "{network}");
        }
        for network in ["10.0.0.0/8", "169.254.20.10/32", "::/0", "odd"] {
            assert!(!holds(network), "{network}");
        }
    }
}
