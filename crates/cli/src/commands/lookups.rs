//! `whipstitch lookups`: what the Stream Manager said that is remembered, and forgetting it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    ask::{Answer, Asker, Failure, Question, Reach},
    nodes::seconds,
    show::{Column, Look, Style, count, footer, or_dash, table},
};

/// List the remembered answers of the Stream Manager, or forget them.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Debug, Subcommand)]
enum Order {
    /// Forget what was said of a stream, or of all: the next request asks anew
    Forget(Forget),
}

#[derive(Clone, Debug, Args)]
struct Forget {
    /// The stream with its scope, such as live/stream1
    #[arg(value_name = "SCOPE/STREAM", required_unless_present = "all")]
    stream: Option<String>,
    /// Of every stream
    #[arg(long, conflicts_with = "stream")]
    all: bool,
    #[command(flatten)]
    reach: Reach,
}

impl Question for Options {
    fn reach(&self) -> &Reach {
        match &self.order {
            Some(Order::Forget(forget)) => &forget.reach,
            None => &self.reach,
        }
    }

    async fn ask(&self, asker: &Asker) -> Result<Answer, Failure> {
        if let Some(Order::Forget(forget)) = &self.order {
            return forget.ask(asker).await;
        }
        let json = asker.get("/lookups").await?;
        let text = text(&json, asker.style);
        Ok(Answer::good(json, text))
    }
}

impl Forget {
    fn order(&self) -> Result<Value, Failure> {
        let Some(stream) = &self.stream else {
            return Ok(json!({}));
        };
        match stream.trim_matches('/').rsplit_once('/') {
            Some((scope, stream)) => Ok(json!({"scope": scope, "stream": stream})),
            None => Err(Failure::usage(format_args!(
                "{stream:?} has no scope; write it as `whipstitch lookups` shows it, such as live/{stream}"
            ))),
        }
    }

    async fn ask(&self, asker: &Asker) -> Result<Answer, Failure> {
        let json = asker.post("/lookups/forget", &self.order()?).await?;
        let forgotten = Look(&json).size("/forgotten").unwrap_or(0);
        let text = format!("{} forgotten\n", count(forgotten, "answer", "answers"));
        Ok(Answer::good(json, text))
    }
}

const COLUMNS: &[Column] = &[
    Column::Left("STREAM"),
    Column::Left("TO"),
    Column::Left("HINTS"),
    Column::Left("NETWORK"),
    Column::Left("ANSWER"),
    Column::Left("STATE"),
    Column::Right("AGE"),
    Column::Right("USES"),
    Column::Right("LEFT"),
    Column::Left("NODES"),
];

fn text(json: &Value, style: Style) -> String {
    let answer = Look(json);
    let rows: Vec<Vec<String>> = answer.items("/lookups").map(row).collect();
    let total = answer.size("/total");
    table(COLUMNS, &rows, style) + &footer(rows.len(), total, ("answer", "answers"), style)
}

fn row(one: Look<'_>) -> Vec<String> {
    let found = match one.text("/answer") {
        Some("found") => "found".to_owned(),
        Some("not_found") => "no such stream".to_owned(),
        _ => one.cell("/answer"),
    };
    vec![
        one.cell("/stream"),
        one.cell("/role"),
        one.cell("/hints"),
        one.cell("/network"),
        found,
        one.cell("/state"),
        or_dash(seconds(one, "/age_seconds")),
        one.cell("/uses"),
        one.cell("/uses_left"),
        one.cell("/candidates"),
    ]
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn a_row_an_answer() {
        let json = json!({"total": 2, "lookups": [
            {"role": "publish", "stream": "live/a", "hints": ["region", "strict"], "network": null, "answer": "found", "age_seconds": 3.5,
             "state": "fresh", "uses": 2, "uses_left": null, "candidates": ["10.0.0.7", "10.0.0.8"]},
            {"role": "play", "stream": "live/room1/b", "hints": [], "network": "203.0.0.0/16", "answer": "not_found", "age_seconds": 0.2, "state": "stale",
             "uses": 0, "uses_left": 32, "candidates": []}
        ]});
        assert_snapshot!(text(&json, Style::plain()), @r"
        STREAM        TO       HINTS           NETWORK       ANSWER          STATE  AGE  USES  LEFT  NODES
        live/a        publish  region, strict  -             found           fresh   3s     2     -  10.0.0.7, 10.0.0.8
        live/room1/b  play     -               203.0.0.0/16  no such stream  stale   0s     0    32  -
        2 answers
        ");
    }

    #[test]
    fn a_stream_has_a_scope() {
        let order = |stream: Option<&str>| {
            let forget = Forget {
                stream: stream.map(str::to_owned),
                all: stream.is_none(),
                reach: Reach::default(),
            };
            forget.order().ok()
        };
        assert_eq!(
            order(Some("live/room1/a")),
            Some(json!({"scope": "live/room1", "stream": "a"}))
        );
        assert_eq!(
            order(Some("/live/a")),
            Some(json!({"scope": "live", "stream": "a"}))
        );
        assert_eq!(order(Some("a")), None);
        assert_eq!(order(None), Some(json!({})));
    }
}
