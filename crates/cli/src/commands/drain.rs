//! `whipstitch drain`: no new sessions, and with `--wait` until the old ones have ended. What a
//! `preStop` hook calls.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    ask::{Answer, Asker, Failure, Question, Reach, UNREACHABLE, duration},
    show::{Look, age, count},
};

/// Time between two looks.
const STEP: Duration = Duration::from_millis(500);
/// How long to wait past the deadline that the drain has itself.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait where no deadline is told.
const DEFAULT: Duration = Duration::from_mins(1);

/// Let sessions end and take no new ones.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Wait until nothing is left
    #[arg(long)]
    wait: bool,
    /// Longest wait, such as 30s; five seconds more than shutdown.deadline by default
    #[arg(long, value_name = "DURATION", requires = "wait", value_parser = duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    reach: Reach,
}

impl Question for Options {
    fn reach(&self) -> &Reach {
        &self.reach
    }

    async fn ask(&self, asker: &Asker) -> Result<Answer, Failure> {
        let began = Instant::now();
        let order = asker.post("/drain", &json!({})).await?;
        if !self.wait {
            return Ok(Answer::good(
                order,
                "draining; `whipstitch status` shows the progress\n".to_owned(),
            ));
        }
        let longest = self.timeout.unwrap_or_else(|| longest(&order));
        loop {
            let status = match asker.get("/status").await {
                Ok(status) => status,
                // It answered the order to drain, so it has ended since.
                Err(failure) if failure.code == UNREACHABLE => return Ok(ended(order)),
                Err(failure) => return Err(failure),
            };
            let left = Left::of(&status);
            if left.over {
                return Ok(left.told(status));
            }
            if began.elapsed() >= longest {
                return Ok(left.too_late(status, began.elapsed()));
            }
            sleep(STEP.min(longest.saturating_sub(began.elapsed()))).await;
        }
    }
}

/// The drain's own time and a little more.
fn longest(order: &Value) -> Duration {
    let order = Look(order);
    let span = order.number("/deadline_at").zip(order.number("/began_at"));
    let millis = span.and_then(|(end, begin)| u64::try_from(end.saturating_sub(begin)).ok());
    millis.map_or(DEFAULT, |millis| Duration::from_millis(millis) + GRACE)
}

fn ended(order: Value) -> Answer {
    Answer::good(order, "drained: whipstitch has ended\n".to_owned())
}

/// How far a drain is.
struct Left {
    exchanges: Option<u64>,
    sockets: Option<u64>,
    /// It goes no further.
    over: bool,
    /// What was left was cut off.
    cut: bool,
}

impl Left {
    fn of(status: &Value) -> Self {
        let status = Look(status);
        let (exchanges, sockets) = (
            status.size("/drain/exchanges"),
            status.size("/drain/sockets"),
        );
        // Without requests and sockets, the drain can still wait for load balancers, so the outcome
        // decides where the status has one.
        let has_outcome = status.0.pointer("/drain/outcome").is_some();
        let outcome = status.text("/drain/outcome");
        Self {
            exchanges,
            sockets,
            over: outcome.is_some() || (!has_outcome && exchanges == Some(0) && sockets == Some(0)),
            cut: outcome == Some("cut"),
        }
    }

    /// Requests and sockets, in words.
    fn words(&self) -> String {
        let part = |number: Option<u64>, one, many| number.map(|number| count(number, one, many));
        let parts = [
            part(self.exchanges, "request", "requests"),
            part(self.sockets, "socket", "sockets"),
        ];
        parts
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" and ")
    }

    fn told(&self, status: Value) -> Answer {
        let text = if self.cut {
            format!("time was up: {} were cut off\n", self.words())
        } else {
            "drained: nothing is left\n".to_owned()
        };
        Answer {
            json: status,
            text,
            bad: self.cut,
        }
    }

    fn too_late(&self, status: Value, waited: Duration) -> Answer {
        let words = self.words();
        let left = if words.is_empty() {
            "it says nothing of a drain".to_owned()
        } else {
            words + " left"
        };
        let waited = age(i64::try_from(waited.as_millis()).unwrap_or(i64::MAX));
        Answer {
            json: status,
            text: format!("not drained after {waited}: {left}\n"),
            bad: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_a_little_longer_than_the_drain() {
        let order = json!({"began_at": 1_000, "deadline_at": 31_000});
        assert_eq!(longest(&order), Duration::from_secs(35));
        assert_eq!(longest(&json!({})), DEFAULT);
        assert_eq!(longest(&json!({"began_at": 2, "deadline_at": 1})), DEFAULT);
    }

    #[test]
    fn it_is_over_only_if_it_says_so() {
        for (drain, over) in [
            (
                json!({"exchanges": 0, "sockets": 0, "outcome": "whole"}),
                true,
            ),
            (
                json!({"exchanges": 1, "sockets": 2, "outcome": "cut"}),
                true,
            ),
            // Load balancers are waited for.
            (
                json!({"exchanges": 0, "sockets": 0, "outcome": null}),
                false,
            ),
            // Of another version.
            (json!({"exchanges": 0, "sockets": 0}), true),
            (json!({"exchanges": 0, "sockets": 1}), false),
            (json!({}), false),
            (json!(null), false),
        ] {
            assert_eq!(Left::of(&json!({"drain": drain})).over, over, "{drain}");
        }
        let cut = Left::of(&json!({"drain": {"exchanges": 1, "sockets": 2, "outcome": "cut"}}));
        let told = cut.told(Value::Null);
        assert_eq!(
            told.text,
            "time was up: 1 request and 2 sockets were cut off\n"
        );
        assert!(told.bad);
        let late = cut.too_late(Value::Null, Duration::from_secs(61));
        assert_eq!(
            late.text,
            "not drained after 1m 1s: 1 request and 2 sockets left\n"
        );
        assert!(late.bad);
    }
}
