//! The attributes of this process (OpenTelemetry, semantic conventions for resources).

use std::fs;

use whipstitch_proxy::trace::{Attribute, TraceId};

/// Files with the name of this host; `ProcSubset=pid` of systemd hides the first.
const NAMES: [&str; 2] = ["/proc/sys/kernel/hostname", "/etc/hostname"];

/// The attributes.
pub(super) fn resource() -> Vec<Attribute> {
    let mut all: Vec<Attribute> = vec![
        ("service.name", "whipstitch".into()),
        ("service.version", env!("CARGO_PKG_VERSION").into()),
        // New at every start.
        ("service.instance.id", TraceId::random().to_string().into()),
        ("process.pid", u64::from(std::process::id()).into()),
    ];
    all.extend(host().map(|name| ("host.name", name.into())));
    all
}

/// The name of this host; in Kubernetes, of the pod.
fn host() -> Option<String> {
    let names = NAMES
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    names
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty())
}
