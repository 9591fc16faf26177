//! deploy/reference/metrics.md, and the metrics that expressions name, with their labels.

use std::collections::{BTreeMap, BTreeSet};

use super::Bench;
use super::selectors::{Condition, conditions};
use crate::Result;

/// What the process exports by itself; `process_*` on the page.
const PROCESS: [&str; 6] = [
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
];

/// Labels that every series has from its scrape, and that of a histogram's buckets.
const SCRAPED: [&str; 3] = ["job", "instance", "le"];

/// The values of each label; none where they are not told.
type Labels = BTreeMap<String, BTreeSet<String>>;

/// The metrics that there are.
#[derive(Debug, Default)]
pub(crate) struct Page {
    series: BTreeMap<String, Labels>,
}

impl Page {
    /// # Errors
    /// The page cannot be read.
    pub(crate) fn read(bench: &Bench) -> Result<Self> {
        Ok(Self::parse(&bench.read("reference/metrics.md")?))
    }

    fn parse(page: &str) -> Self {
        let none = |name: &str| (name.to_owned(), Labels::new());
        let mut series: BTreeMap<_, _> = PROCESS.map(none).into();
        for line in page.lines() {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let ["", name, kind, labels, ..] = cells.as_slice() else {
                continue;
            };
            let (name, labels) = (name.trim_matches('`'), told(labels));
            match *kind {
                "counter" | "gauge" => {
                    series.insert(name.to_owned(), labels);
                }
                "histogram" => {
                    let parts = ["_bucket", "_sum", "_count"];
                    series.extend(parts.map(|part| (format!("{name}{part}"), labels.clone())));
                }
                _ => {}
            }
        }
        Self { series }
    }

    /// Whether there is a series of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.series.contains_key(name)
    }

    /// The names in a text that are no metric, nor among `recorded`.
    pub(crate) fn unknown_names(&self, text: &str, recorded: &BTreeSet<String>) -> Vec<String> {
        let names = named(text).into_iter();
        let unknown = names.filter(|name| !self.has(name) && !recorded.contains(*name));
        unknown.map(str::to_owned).collect()
    }

    /// The same of an expression, and its conditions on labels or values that a metric lacks.
    pub(crate) fn unknown(&self, expression: &str, recorded: &BTreeSet<String>) -> Vec<String> {
        let mut unknown = self.unknown_names(expression, recorded);
        match conditions(expression) {
            Ok(all) => unknown.extend(all.iter().filter_map(|one| self.never(one))),
            Err(error) => unknown.push(error),
        }
        unknown
    }

    /// A condition that no series meets, or that all do.
    fn never(&self, condition: &Condition<'_>) -> Option<String> {
        let Condition {
            metric,
            label,
            values,
        } = condition;
        let labels = self.series.get(*metric)?;
        if SCRAPED.contains(label) {
            return None;
        }
        let Some(told) = labels.get(*label) else {
            return Some(format!("{metric} has no label {label}"));
        };
        let other = values.iter().find(|value| !told.contains(**value));
        let other = other.filter(|_| !told.is_empty())?;
        Some(format!("{metric} has no {label}=\"{other}\""))
    }
}

/// The labels of a row: `` `label`: `value`, `value`; `label` ``.
fn told(cell: &str) -> Labels {
    let labels = cell.split(';').filter(|label| !label.trim().is_empty());
    let plain = |text: &str| text.trim().trim_matches('`').to_owned();
    labels
        .map(|label| {
            let (name, values) = label.split_once(':').unwrap_or((label, ""));
            let values = values.split(',').map(plain);
            (plain(name), values.filter(|one| !one.is_empty()).collect())
        })
        .collect()
}

/// What looks like a metric of ours in a `PromQL` expression: words outside of quotes that begin as
/// ours do.
pub(crate) fn named(expression: &str) -> Vec<&str> {
    let outside = expression.split('"').step_by(2);
    outside
        .flat_map(|part| {
            part.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_:".contains(letter)))
        })
        .filter(|word| {
            ["whipstitch", "process_"]
                .iter()
                .any(|start| word.starts_with(start))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_page() {
        let page = Page::parse(
            "| Metric | Type |\n|---|---|\n| `whipstitch_a_total` | counter | |\n| `whipstitch_b` | histogram | |",
        );
        assert!(page.has("whipstitch_a_total") && page.has("whipstitch_b_bucket"));
        assert!(!page.has("whipstitch_b") && !page.has("Metric"));
    }

    #[test]
    fn a_name_that_nobody_exports_is_found() {
        let page = Page::parse("| `whipstitch_a_total` | counter | `x` | |");
        let recorded = BTreeSet::from(["whipstitch:a:rate5m".to_owned()]);
        let unknown = |text| page.unknown(text, &recorded);
        assert!(
            unknown("sum(rate(whipstitch_a_total{x=\"whipstitch_z\"}[5m])) / process_open_fds")
                .is_empty()
        );
        assert!(unknown("whipstitch:a:rate5m > 0").is_empty());
        assert_eq!(
            unknown("whipstitch_b + whipstitch:c"),
            ["whipstitch_b", "whipstitch:c"]
        );
    }

    #[test]
    fn a_label_or_a_value_that_a_metric_lacks_is_found() {
        let page = Page::parse(
            "| `whipstitch_a_total` | counter | `result`: `failed`, `ok`; `version` | |",
        );
        let unknown = |text| page.unknown(text, &BTreeSet::new());
        assert_eq!(
            unknown("whipstitch_a_total{job=\"x\",result!=\"ok\",version=\"1\"}"),
            [""; 0]
        );
        assert_eq!(
            unknown(
                "whipstitch_a_total{result=~\"ok|fialed\"} / whipstitch_a_total{reslut=\"ok\"}"
            ),
            [
                "whipstitch_a_total has no result=\"fialed\"",
                "whipstitch_a_total has no label reslut"
            ]
        );
        assert_eq!(unknown("whipstitch_a_total{").len(), 1);
    }
}
