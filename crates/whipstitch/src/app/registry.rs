//! The registry of metrics, and every family in it.

use prometheus::{IntGauge, Opts, Registry};
use whipstitch_ingress as ingress;
use whipstitch_origin as origin;
use whipstitch_proxy as proxy;
use whipstitch_telemetry::{LinesDropped, SpanMetrics};

use super::StartError;
use crate::{file_watch::ReloadMetrics, metrics};

/// A registry with the facts of the build and of the log.
pub(super) fn registry() -> Result<Registry, StartError> {
    let registry = Registry::new_custom(Some("whipstitch".to_owned()), None)?;
    let version = Opts::new("build_info", "1, with the version of this build.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let build = IntGauge::with_opts(version)?;
    build.set(1);
    registry.register(Box::new(build))?;
    registry.register(Box::new(LinesDropped::new()?))?;
    Ok(registry)
}

/// Every metric family of the process, as before the first request; for the reference page.
pub fn metric_families() -> Vec<prometheus::proto::MetricFamily> {
    let families = registry().ok().filter(|registry| {
        ingress::Metrics::register(registry).is_ok()
            && origin::Metrics::register(registry).is_ok()
            && proxy::Metrics::register(registry).is_ok()
            && ReloadMetrics::of_certificates(registry).is_ok()
            && ReloadMetrics::of_session_keys(registry).is_ok()
            && ReloadMetrics::of_ice_secrets(registry).is_ok()
            && ReloadMetrics::of_auth_keys(registry).is_ok()
            && metrics::register(registry, metrics::Reading::full).is_ok()
            && SpanMetrics::register(registry).is_ok()
    });
    families
        .map(|registry| registry.gather())
        .unwrap_or_default()
}

/// The metrics of the process that Linux keeps.
pub(super) fn process_registry() -> Result<Registry, StartError> {
    let process = Registry::new();
    #[cfg(target_os = "linux")]
    process.register(Box::new(
        prometheus::process_collector::ProcessCollector::for_self(),
    ))?;
    Ok(process)
}
