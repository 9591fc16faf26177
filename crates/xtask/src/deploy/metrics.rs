//! deploy/reference/metrics.md, and the metrics that expressions name.

use std::collections::BTreeSet;

use super::Bench;
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

/// The metrics that there are.
#[derive(Debug, Default)]
pub(crate) struct Page {
    names: BTreeSet<String>,
}

impl Page {
    /// # Errors
    /// The page cannot be read.
    pub(crate) fn read(bench: &Bench) -> Result<Self> {
        Ok(Self::parse(&bench.read("reference/metrics.md")?))
    }

    fn parse(page: &str) -> Self {
        let mut names: BTreeSet<_> = PROCESS.map(str::to_owned).into();
        for line in page.lines() {
            let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`'));
            let (Some(""), Some(name), Some(kind)) = (cells.next(), cells.next(), cells.next())
            else {
                continue;
            };
            match kind {
                "counter" | "gauge" => {
                    names.insert(name.to_owned());
                }
                "histogram" => {
                    names.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")));
                }
                _ => {}
            }
        }
        Self { names }
    }

    /// Whether there is a series of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The names in `expression` that are no metric, nor among `recorded`.
    pub(crate) fn unknown(&self, expression: &str, recorded: &BTreeSet<String>) -> Vec<String> {
        let names = named(expression).into_iter();
        let unknown = names.filter(|name| !self.has(name) && !recorded.contains(*name));
        unknown.map(str::to_owned).collect()
    }
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
        let page = Page::parse("| `whipstitch_a_total` | counter | |");
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
}
