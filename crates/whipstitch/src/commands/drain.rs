//! `whipstitch drain`: no new sessions, and with `--wait` until the old ones have ended. What a `preStop` hook calls.

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
                "draining; `whipstitch status` tells how far it is\n".to_owned(),
            ));
        }
        let longest = self.timeout.unwrap_or_else(|| longest(&order));
        loop {
            let status = match asker.get("/status").await {
                Ok(status) => status,
                // It was there a moment ago.
                Err(failure) if failure.code == UNREACHABLE => return Ok(ended(order)),
                Err(failure) => return Err(failure),
            };
            let left = Left::of(&status);
            if left.nothing() {
                return Ok(Answer::good(
                    status,
                    "drained: nothing is left\n".to_owned(),
                ));
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

/// What is still under way; none where it is not told.
struct Left {
    exchanges: Option<u64>,
    sockets: Option<u64>,
}

impl Left {
    fn of(status: &Value) -> Self {
        let status = Look(status);
        Self {
            exchanges: status.size("/drain/exchanges"),
            sockets: status.size("/drain/sockets"),
        }
    }

    fn nothing(&self) -> bool {
        self.exchanges == Some(0) && self.sockets == Some(0)
    }

    fn too_late(&self, status: Value, waited: Duration) -> Answer {
        let left = |number: Option<u64>, one, many| number.map(|number| count(number, one, many));
        let left: Vec<String> = [
            left(self.exchanges, "request", "requests"),
            left(self.sockets, "socket", "sockets"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let left = if left.is_empty() {
            "it says nothing of a drain".to_owned()
        } else {
            left.join(" and ") + " left"
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
    fn nothing_is_left_only_if_it_says_so() {
        assert!(Left::of(&json!({"drain": {"exchanges": 0, "sockets": 0}})).nothing());
        for status in [
            json!({}),
            json!({"drain": null}),
            json!({"drain": {"exchanges": 0, "sockets": 1}}),
        ] {
            assert!(!Left::of(&status).nothing(), "{status}");
        }
        let late = Left::of(&json!({"drain": {"exchanges": 1, "sockets": 2}}))
            .too_late(json!({}), Duration::from_secs(61));
        assert_eq!(
            late.text,
            "not drained after 1m 1s: 1 request and 2 sockets left\n"
        );
        assert!(late.bad);
    }
}
