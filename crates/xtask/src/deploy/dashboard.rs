//! Checks the Grafana dashboard: its structure, and that its metrics exist.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Bench;
use super::metrics::Page;
use super::pod::{list_at, text};
use super::prometheus;
use super::report::{Report, none};
use crate::Result;

const FILE: &str = "grafana/whipstitch.json";
/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;

/// Its structure and its names; [`super::live`] runs its queries.
pub(crate) fn check(bench: &Bench, report: &mut Report) {
    report.check("grafana: every metric on the dashboard exists", || {
        let (page, recorded) = (Page::read(bench)?, prometheus::recorded(bench)?);
        let queries = queries(bench)?;
        let unknown = queries.iter().flat_map(|(title, query)| {
            let unknown = page.unknown(query, &recorded).into_iter();
            unknown.map(move |name| format!("{title}: {name}"))
        });
        none(&unknown.collect::<Vec<_>>())
    });
    report.check(
        "grafana: panels have ids of their own and do not overlap",
        || {
            let dashboard: Value = serde_json::from_str(&bench.read(FILE)?)?;
            none(&layout(&dashboard))
        },
    );
}

/// Every query, with the title of its panel and its variables filled in.
///
/// # Errors
/// The file cannot be read, or holds no query.
pub(crate) fn queries(bench: &Bench) -> Result<Vec<(String, String)>> {
    let dashboard: Value = serde_json::from_str(&bench.read(FILE)?)?;
    let mut queries = Vec::new();
    for panel in list_at(&dashboard, "/panels") {
        for target in list_at(panel, "/targets") {
            let query = text(target, "/expr")
                .replace("$__rate_interval", "10s")
                .replace("$job", ".+")
                .replace("$instance", ".+");
            if query.contains('$') {
                return Err(format!("{query}: a variable that is not set").into());
            }
            queries.push((text(panel, "/title").to_owned(), query));
        }
    }
    if queries.is_empty() {
        return Err("there is no query".into());
    }
    Ok(queries)
}

fn layout(dashboard: &Value) -> Vec<String> {
    let (mut ids, mut cells, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for panel in list_at(dashboard, "/panels") {
        let title = text(panel, "/title");
        if !ids.insert(panel.get("id").and_then(Value::as_u64)) {
            wrong.push(format!("{title}: its id is another panel's too"));
        }
        let at = |name: &str| {
            let at = panel.pointer(&format!("/gridPos/{name}"));
            at.and_then(Value::as_u64).unwrap_or(0)
        };
        let (left, top) = (at("x"), at("y"));
        if left + at("w") > COLUMNS || at("w") == 0 || at("h") == 0 {
            wrong.push(format!("{title}: it is not on the grid"));
        }
        let mut taken =
            (left..left + at("w")).flat_map(|x| (top..top + at("h")).map(move |y| (x, y)));
        if !taken.all(|cell| cells.insert(cell)) {
            wrong.push(format!("{title}: it lies over another panel"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn panels_that_overlap_are_found() {
        let panel =
            |id, x, w| json!({"id": id, "title": "t", "gridPos": {"x": x, "y": 0, "w": w, "h": 2}});
        let judge = |panels: Value| layout(&json!({ "panels": panels })).len();
        assert_eq!(judge(json!([panel(1, 0, 12), panel(2, 12, 12)])), 0);
        assert_eq!(judge(json!([panel(1, 0, 12), panel(1, 12, 12)])), 1);
        assert_eq!(judge(json!([panel(1, 0, 12), panel(2, 11, 12)])), 1);
        assert_eq!(judge(json!([panel(1, 20, 12)])), 1);
    }
}
