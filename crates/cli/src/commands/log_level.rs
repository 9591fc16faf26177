//! `whipstitch log-level`: which events are logged, and more of them for a while.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::{
    ask::{Answer, Asker, Failure, Question, Reach, duration},
    show::{Look, age, clean},
};

/// Longest time until the level goes back.
const MOST: Duration = Duration::from_hours(24);

/// Show which events are logged, or change it for a while.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// A level (error, warn, info, debug, trace), or levels by module as in
    /// `info,whipstitch_origin=debug`
    level: Option<String>,
    /// For how long, such as 30s or 2h; at most 24h
    #[arg(long = "for", value_name = "DURATION", requires = "level", default_value = "10m", value_parser = duration)]
    period: Duration,
    #[command(flatten)]
    reach: Reach,
}

impl Question for Options {
    fn reach(&self) -> &Reach {
        &self.reach
    }

    async fn ask(&self, asker: &Asker) -> Result<Answer, Failure> {
        let Some(level) = &self.level else {
            let status = asker.get("/status").await?;
            let json = Look(&status)
                .at("/log_level")
                .map_or(Value::Null, |level| level.0.clone());
            return Ok(told(json));
        };
        if self.period > MOST {
            return Err(Failure::usage(
                "--for: at most 24h; after that log.filter decides again",
            ));
        }
        let millis = u64::try_from(self.period.as_millis()).unwrap_or(u64::MAX);
        let order = json!({"level": level, "for_ms": millis});
        Ok(told(asker.post("/log-level", &order).await?))
    }
}

fn told(json: Value) -> Answer {
    let now = jiff::Timestamp::now().as_millisecond();
    let text = text(Look(&json), now);
    Answer::good(json, text)
}

fn text(level: Look<'_>, now: i64) -> String {
    let filter = clean(level.text("/now").unwrap_or("unknown"));
    match level.number("/until_at") {
        Some(until) => format!("{filter}, for {} more\n", age(until.saturating_sub(now))),
        None => format!("{filter}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_and_how_long_it_lasts() {
        assert_eq!(
            text(Look(&json!({"now": "info", "until_at": null})), 0),
            "info\n"
        );
        let until = json!({"now": "debug", "until_at": 600_000});
        assert_eq!(text(Look(&until), 1_000), "debug, for 9m 59s more\n");
        assert_eq!(text(Look(&Value::Null), 0), "unknown\n");
    }
}
