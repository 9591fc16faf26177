//! Asking the running whipstitch through its admin interface: where it is, one exchange, and how a
//! command ends.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; all is well |
//! | [`BAD_NEWS`] | the answer is bad news: not ready, not drained, something failed, no such thing |
//! | [`USAGE`] | the command line cannot be understood |
//! | [`UNREACHABLE`] | there is no running whipstitch there, or it went away, or what answers is something else |
//! | [`REFUSED`] | no permission |

mod endpoint;
mod exchange;
mod failure;

use std::{fmt::Write as _, future::Future, path::PathBuf, time::Duration};

use clap::Args;
use serde_json::Value;

pub(super) use self::{
    endpoint::Endpoint,
    exchange::{Asker, encoded},
    failure::Failure,
};
use super::Surroundings;
use crate::{exit::Exit, flags::Settings};

/// The answer is bad news.
pub const BAD_NEWS: u8 = 1;
/// The command line cannot be understood.
pub const USAGE: u8 = 2;
/// There is no running whipstitch there.
pub const UNREACHABLE: u8 = 3;
/// No permission.
pub const REFUSED: u8 = 4;

/// The commands that end with these codes.
pub const COMMANDS: &[&str] = &[
    "status",
    "sessions",
    "nodes",
    "lookups",
    "drain",
    "reload",
    "log-level",
];

/// How the running whipstitch is reached.
#[derive(Clone, Debug, Default, Args)]
pub struct Reach {
    /// Socket or address of the running whipstitch's admin interface
    ///
    /// The name of a socket, an address with a port, or a URL with http://. Without it, what the
    /// configuration says in admin.socket, then in listen.admin, and then
    /// /run/whipstitch/admin.sock.
    #[arg(long, value_name = "SOCKET|ADDR:PORT")]
    pub admin: Option<String>,
    /// Configuration file that says where it is
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the answer as JSON, one document
    #[arg(long)]
    pub json: bool,
}

/// A command that asks.
pub(crate) trait Question {
    /// Where to ask, and how to print.
    fn reach(&self) -> &Reach;

    /// Asks, and says in what words the answer is told.
    fn ask(&self, asker: &Asker) -> impl Future<Output = Result<Answer, Failure>>;
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For scripts.
    pub(super) json: Value,
    /// For eyes.
    pub(super) text: String,
    /// Whether it is bad news.
    pub(super) bad: bool,
}

impl Answer {
    pub(super) fn good(json: Value, text: String) -> Self {
        Self {
            json,
            text,
            bad: false,
        }
    }
}

/// Asks the running whipstitch.
pub(crate) fn perform(question: &impl Question, front: &Settings, around: &Surroundings) -> Exit {
    let reach = question.reach();
    let outcome = reach.behind(front).and_then(|reach| {
        let endpoint = Endpoint::find(&reach, around)?;
        let asker = Asker::new(endpoint, around.style);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::unreachable(format_args!("no runtime: {error}")))?;
        let answer = runtime.block_on(question.ask(&asker));
        // A name that is being resolved would hold up the end.
        runtime.shutdown_timeout(Duration::ZERO);
        answer
    });
    match outcome {
        Err(failure) => Exit::failed(failure.code, failure.what),
        Ok(answer) => Exit {
            code: if answer.bad { BAD_NEWS } else { 0 },
            out: if reach.json {
                for_a_terminal(&answer.json)
            } else {
                answer.text
            },
            err: String::new(),
        },
    }
}

impl Reach {
    /// These, behind the flags in front of the command: there, only `--config` and `--admin` have a
    /// meaning.
    fn behind(&self, front: &Settings) -> Result<Self, Failure> {
        let allowed = |flag: &str| flag == "--admin";
        if let Some((flag, _)) = front.flags().iter().find(|(flag, _)| !allowed(flag)) {
            let what = format_args!("{flag} has no meaning here: it is a setting to serve with");
            return Err(Failure::usage(what));
        }
        Ok(Self {
            admin: self.admin.clone().or_else(|| front.admin.clone()),
            config: self.config.clone().or_else(|| front.config.clone()),
            json: self.json,
        })
    }
}

/// A duration in a flag, in the form of the configuration: `500ms`, `30s`, `10m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration: a number and its unit, such as 30s or 10m");
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(span).map_err(|_| wrong())?;
    if duration.is_zero() {
        return Err("is zero; it has to be longer, such as 1s".to_owned());
    }
    Ok(duration)
}

/// JSON without raw control characters beyond those that JSON itself forbids: a terminal may obey
/// U+009B.
fn for_a_terminal(json: &Value) -> String {
    let text = serde_json::to_string_pretty(json).unwrap_or_default();
    let mut safe = String::with_capacity(text.len() + 1);
    for one in text.chars() {
        if one.is_control() && one != '\n' {
            // Writing to a string does not fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(one));
        } else {
            safe.push(one);
        }
    }
    safe + "\n"
}

#[cfg(test)]
mod tests;
