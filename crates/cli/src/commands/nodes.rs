//! `whipstitch nodes`: which nodes are known, and how they do.

use clap::Args;
use serde_json::Value;

use super::{
    ask::{Answer, Asker, Failure, Question, Reach},
    show::{Column, Look, Style, age, clock, footer, millis, or_dash, table},
};

/// List the nodes.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    reach: Reach,
}

impl Question for Options {
    fn reach(&self) -> &Reach {
        &self.reach
    }

    async fn ask(&self, asker: &Asker) -> Result<Answer, Failure> {
        let json = asker.get("/nodes").await?;
        let text = text(&json, asker.style);
        Ok(Answer::good(json, text))
    }
}

const COLUMNS: &[Column] = &[
    Column::Left("NODE"),
    Column::Left("STATE"),
    Column::Left("SINCE"),
    Column::Right("SESSIONS"),
    Column::Right("SENT"),
    Column::Right("FAILURES"),
    Column::Right("EJECTED"),
    Column::Right("CONNECT P50"),
    Column::Right("P99"),
    Column::Right("NAMED"),
    Column::Left("LAST ERROR"),
];

fn text(json: &Value, style: Style) -> String {
    let answer = Look(json);
    let now = jiff::Timestamp::now().as_millisecond();
    let rows: Vec<Vec<String>> = answer.items("/nodes").map(|one| row(one, now)).collect();
    let total = answer.size("/total");
    table(COLUMNS, &rows, style) + &footer(rows.len(), total, ("node", "nodes"), style)
}

fn row(one: Look<'_>, now: i64) -> Vec<String> {
    let time = |pointer: &str| or_dash(one.float(pointer).map(millis));
    vec![
        one.cell("/address"),
        one.cell("/state"),
        one.number("/unhealthy_since_at")
            .map(|since| clock(since, Some(now)))
            .unwrap_or_default(),
        one.cell("/sessions"),
        one.cell("/sessions_sent"),
        one.cell("/failures"),
        or_dash(one.size("/ejections").map(|times| format!("{times}x"))),
        time("/connect_p50_ms"),
        time("/connect_p99_ms"),
        or_dash(seconds(one, "/named_seconds_ago").map(|ago| format!("{ago} ago"))),
        one.words("/last_error"),
    ]
}

/// A time in seconds as a person reads it.
pub(super) fn seconds(one: Look<'_>, pointer: &str) -> Option<String> {
    let seconds = one.float(pointer)?;
    // The greatest time that can be told is far above any that is meant.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a cast of a float saturates"
    )]
    Some(age((seconds * 1_000.0) as i64))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_a_node() {
        let json = json!({"total": 2, "nodes": [
            {"address": "10.0.0.7", "state": "healthy", "sessions": 4, "sessions_sent": 120, "failures": 0, "ejections": 0,
             "connect_p50_ms": 0.4, "connect_p99_ms": 12.0, "named_seconds_ago": 3.2, "last_error": null},
            {"address": "10.0.0.8", "state": "ejected", "sessions_sent": 3, "failures": 7, "ejections": 2,
             "unhealthy_since_at": 1_772_344_860_000_i64,
             "named_seconds_ago": null, "last_error": "connection refused"}
        ]});
        assert_snapshot!(text(&json, Style::plain()), @r"
        NODE      STATE    SINCE                 SESSIONS  SENT  FAILURES  EJECTED  CONNECT P50    P99   NAMED  LAST ERROR
        10.0.0.7  healthy                               4   120         0       0x       0.4 ms  12 ms  3s ago
        10.0.0.8  ejected  2026-03-01 06:01 UTC         -     3         7       2x            -      -       -  connection refused
        2 nodes
        ");
        assert_eq!(
            text(&json!({"total": 0, "nodes": []}), Style::plain()),
            "0 nodes\n"
        );
    }
}
