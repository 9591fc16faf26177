use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use super::*;
use crate::{app, readiness::Stage};
use whipstitch_ingress::{Certificates, Validity};

/// Most series that a process may have.
const MOST: usize = 472;
/// Those of `process_*`, which are not ours.
const OF_THE_PROCESS: usize = 8;

/// The values of a family, by the values of their labels.
fn values(registry: &Registry, name: &str) -> BTreeMap<String, String> {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    let metrics = family.map(MetricFamily::get_metric).unwrap_or_default();
    let labels = |metric: &Metric| {
        let values = metric.get_label().iter().map(LabelPair::value);
        values.collect::<Vec<_>>().join(",")
    };
    metrics
        .iter()
        .map(|metric| {
            let value = metric.get_gauge().get_value() + metric.get_counter().get_value();
            (labels(metric), value.to_string())
        })
        .collect()
}

/// How many there are if each label takes each value that it has anywhere, with each of the others.
fn combinations(family: &MetricFamily) -> usize {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for pair in family.get_metric().iter().flat_map(Metric::get_label) {
        labels.entry(pair.name()).or_default().insert(pair.value());
    }
    labels.values().map(BTreeSet::len).product()
}

/// How many series one combination of labels is.
fn series(family: &MetricFamily) -> usize {
    match family.get_field_type() {
        // Each bucket, that without an end, the sum and the count.
        MetricType::HISTOGRAM => family.get_metric()[0].get_histogram().get_bucket().len() + 3,
        _ => 1,
    }
}

#[test]
fn the_worst_that_all_families_can_come_to_is_bounded_and_there_from_the_start() {
    let families = app::metric_families();
    let worst: BTreeMap<_, _> = families
        .iter()
        .map(|family| (family.name(), combinations(family) * series(family)))
        .collect();
    let all = worst.values().sum::<usize>() + OF_THE_PROCESS;
    assert!(worst.len() > 50, "some are missing: {worst:#?}");
    assert!(all <= MOST, "{all}: {worst:#?}");
    // A series that only comes with its first event hides that event from every rate.
    for family in &families {
        let there = family.get_metric().len();
        assert_eq!(there, combinations(family), "{}", family.name());
    }
}

#[test]
fn a_reading_is_told_as_it_is() {
    let registry = Registry::new();
    let read = || {
        let mut now = Reading::full();
        now.stage = Stage::Drained;
        now.drained_by = Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_500));
        now.certificates.count = 2;
        now.certificates.own = Some(Validity {
            not_before: 10,
            not_after: 20,
        });
        now.certificates.issuers = None;
        now.limits[0].used = 7;
        now.nodes.ejected = 3;
        now.runtime.busy = Duration::from_millis(250);
        now
    };
    register(&registry, read).unwrap();
    let one = |name: &str| values(&registry, name)[""].clone();
    let only = |value: &str| BTreeMap::from([("server".to_owned(), value.to_owned())]);
    assert_eq!((one("ready"), one("draining")), ("0".into(), "1".into()));
    assert_eq!(one("drain_deadline_timestamp_seconds"), "1.5");
    assert_eq!(one("certificates"), "2");
    assert_eq!(one("runtime_busy_seconds_total"), "0.25");
    let not_after = "certificate_not_after_timestamp_seconds";
    assert_eq!(values(&registry, not_after), only("20"));
    let not_before = "certificate_not_before_timestamp_seconds";
    assert_eq!(values(&registry, not_before), only("10"));
    assert_eq!(values(&registry, "limit_used")["connections.max"], "7");
    assert_eq!(values(&registry, "limit")["limits.sockets"], "7000");
    assert_eq!(values(&registry, "nodes")["ejected"], "3");
    // Counters are read, not added to, however often they are scraped.
    assert_eq!(one("runtime_busy_seconds_total"), "0.25");
}

#[test]
fn a_process_without_tls_shows_no_certificate() {
    let registry = Registry::new();
    let mut now = Reading::full();
    now.certificates = Certificates::default();
    register(&registry, move || now.clone()).unwrap();
    assert_eq!(values(&registry, "certificates")[""], "0");
    let not_after = values(&registry, "certificate_not_after_timestamp_seconds");
    assert!(not_after.is_empty());
}
