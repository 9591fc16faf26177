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
/// What the first line of panels shows, whatever else it does.
const FIRST: [&str; 4] = ["WHIP a second", "WHIP p99", "WHEP a second", "WHEP p99"];
/// Rows that are unfolded when the dashboard is opened.
const UNFOLDED: usize = 2;

/// Its structure and its names; [`super::live`] runs its queries.
pub(crate) fn check(bench: &Bench, report: &mut Report) {
    report.check(
        "grafana: every metric on the dashboard exists, with its labels",
        || {
            let (page, recorded) = (Page::read(bench)?, prometheus::recorded(bench)?);
            let queries = queries(bench)?;
            let unknown = queries.iter().flat_map(|(title, query)| {
                let unknown = page.unknown(query, &recorded).into_iter();
                unknown.map(move |name| format!("{title}: {name}"))
            });
            none(&unknown.collect::<Vec<_>>())
        },
    );
    report.check("grafana: what is looked at first is on top", || {
        let dashboard: Value = serde_json::from_str(&bench.read(FILE)?)?;
        none(&first(&dashboard))
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
    for panel in panels(&dashboard) {
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

/// All panels, those inside folded rows too.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    let outside = list_at(dashboard, "/panels");
    outside.flat_map(|panel| std::iter::once(panel).chain(list_at(panel, "/panels")))
}

/// Links that lead nowhere; `leads` judges those into the project's pages.
///
/// # Errors
/// The file cannot be read.
pub(super) fn wrong_links(bench: &Bench, leads: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let dashboard: Value = serde_json::from_str(&bench.read(FILE)?)?;
    let variables = list_at(&dashboard, "/templating/list");
    let mut pages = variables.filter(|variable| text(variable, "/name") == "runbooks");
    let pages = pages.next().map_or("", |variable| text(variable, "/query"));
    let whole = std::iter::once(&dashboard);
    let links = whole.chain(panels(&dashboard));
    let links = links.flat_map(|place| list_at(place, "/links").map(|link| text(link, "/url")));
    let links: Vec<_> = links.collect();
    let lost = |url: &&str| match url.strip_prefix("${runbooks}") {
        Some("") => !leads(&format!("{pages}#alerts")),
        Some(heading) => !leads(&format!("{pages}{heading}")),
        None => !url.starts_with("/alerting/list?search="),
    };
    let mut wrong: Vec<_> = links
        .iter()
        .copied()
        .filter(lost)
        .map(str::to_owned)
        .collect();
    wrong.extend(links.is_empty().then(|| "there is no link".to_owned()));
    Ok(wrong)
}

/// What is wrong with what a person sees when the dashboard opens.
fn first(dashboard: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let on_top = |title: &str| {
        let mut panels = list_at(dashboard, "/panels");
        panels.any(|panel| text(panel, "/title") == title && number(panel, "/gridPos/y") == 1)
    };
    let hidden = FIRST.iter().filter(|title| !on_top(title));
    wrong.extend(hidden.map(|title| format!("{title} is not in the first line")));
    let rows = list_at(dashboard, "/panels").filter(|panel| text(panel, "/type") == "row");
    for row in rows.skip(UNFOLDED) {
        if row.get("collapsed") != Some(&Value::Bool(true)) {
            wrong.push(format!("the row {} is not folded", text(row, "/title")));
        }
    }
    wrong
}

fn number(value: &Value, at: &str) -> u64 {
    value.pointer(at).and_then(Value::as_u64).unwrap_or(0)
}

fn layout(dashboard: &Value) -> Vec<String> {
    let (mut ids, mut wrong) = (BTreeSet::new(), Vec::new());
    for panel in panels(dashboard) {
        if !ids.insert(panel.get("id").and_then(Value::as_u64)) {
            let title = text(panel, "/title");
            wrong.push(format!("{title}: its id is another panel's too"));
        }
    }
    // A folded row is laid out by itself: what is below it moves when it is unfolded.
    for place in std::iter::once(dashboard).chain(list_at(dashboard, "/panels")) {
        overlaps(place, &mut wrong);
    }
    wrong
}

fn overlaps(place: &Value, wrong: &mut Vec<String>) {
    let mut cells = BTreeSet::new();
    for panel in list_at(place, "/panels") {
        let title = text(panel, "/title");
        let at = |name: &str| number(panel, &format!("/gridPos/{name}"));
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

    #[test]
    fn an_open_row_and_a_missing_panel_are_found() {
        let row = |folded| json!({"type": "row", "title": "r", "collapsed": folded});
        let panel = |title| json!({"title": title, "gridPos": {"y": 1}});
        let mut panels: Vec<Value> = FIRST.iter().map(|title| panel(*title)).collect();
        panels.extend([row(false), row(false), row(true)]);
        assert_eq!(first(&json!({ "panels": panels.clone() })).len(), 0);
        panels.remove(0);
        panels.push(row(false));
        assert_eq!(first(&json!({ "panels": panels })).len(), 2);
    }

    #[test]
    fn panels_in_a_folded_row_are_looked_at_too() {
        let inside =
            |id| json!({"id": id, "title": "t", "gridPos": {"x": 0, "y": 5, "w": 1, "h": 1}});
        let row = |id, inside: Vec<Value>| json!({"id": id, "title": "r", "gridPos": {"x": 0, "y": id, "w": 24, "h": 1}, "panels": inside});
        let judge = |panels: Vec<Value>| layout(&json!({ "panels": panels })).len();
        assert_eq!(
            judge(vec![row(1, vec![inside(3)]), row(2, vec![inside(4)])]),
            0
        );
        assert_eq!(judge(vec![row(1, vec![inside(3), inside(4)])]), 1);
        assert_eq!(
            judge(vec![row(1, vec![inside(3)]), row(2, vec![inside(3)])]),
            1
        );
    }
}
