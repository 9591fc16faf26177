//! `whipstitch doctor URL`: plays the clients of the field against a server and says which of their
//! rules it meets.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | no rule failed |
//! | [`FAILED`] | a rule failed |
//! | [`NOT_EXAMINED`] | a mistake in the command line, or nobody answers |

use std::{future::Future, io};

use tokio::runtime;
use tokio_util::sync::CancellationToken;
use whipstitch_doctor::{Options, examine};

use crate::{cli::Exit, signals::Signals};

/// A rule failed.
pub const FAILED: u8 = 1;
/// A mistake in the command line, or nobody answers.
pub const NOT_EXAMINED: u8 = 2;

/// Examines, and says how to end. A signal lets the visit under way end its session first, and no
/// other begin.
pub fn perform(options: &Options) -> Exit {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(until_signal(|stop| run(options, stop)))) {
        Ok(exit) => exit,
        Err(error) => not_examined(&error.to_string()),
    }
}

/// Examines until `stop`, and says how to end.
pub async fn run(options: &Options, stop: CancellationToken) -> Exit {
    let report = match examine(options, &stop).await {
        Ok(report) => report,
        Err(error) => return not_examined(&error.to_string()),
    };
    let out = if options.output.json {
        report.json()
    } else {
        report.to_string()
    };
    let (code, err) = if stop.is_cancelled() {
        (NOT_EXAMINED, "stopped before the end\n".to_owned())
    } else if report.is_well() {
        (0, String::new())
    } else {
        (FAILED, String::new())
    };
    Exit { code, out, err }
}

async fn until_signal<F: Future<Output = Exit>>(
    examination: impl FnOnce(CancellationToken) -> F,
) -> io::Result<Exit> {
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let examination = examination(stop.clone());
    tokio::pin!(examination);
    tokio::select! {
        exit = &mut examination => Ok(exit),
        _ = signals.next() => {
            stop.cancel();
            tokio::select! {
                exit = &mut examination => Ok(exit),
                // Whoever insists leaves what the visit made to the server.
                signal = signals.stop() => Err(io::Error::other(signal)),
            }
        }
    }
}

fn not_examined(words: &str) -> Exit {
    Exit {
        code: NOT_EXAMINED,
        out: String::new(),
        err: format!("error: {words}\n"),
    }
}
