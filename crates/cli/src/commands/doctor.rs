//! `whipstitch doctor URL`: tests a server the way its clients use it, rule by rule.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | no rule failed |
//! | [`FAILED`] | a rule failed |
//! | [`NOT_EXAMINED`] | the command line is malformed, or the server does not answer |

use std::{future::Future, io};

use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use whipstitch_doctor::{Options, examine};

use crate::exit::Exit;

/// A rule failed.
pub const FAILED: u8 = 1;
/// The command line is malformed, or the server does not answer.
pub const NOT_EXAMINED: u8 = 2;

/// Runs the tests. After a signal the present test ends its session first, and no other begins.
pub fn perform(options: &Options) -> Exit {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(until_signal(|stop| run(options, stop)))) {
        Ok(exit) => exit,
        Err(error) => not_examined(&error.to_string()),
    }
}

/// Runs the tests until `stop`.
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
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let examination = examination(stop.clone());
    tokio::pin!(examination);
    tokio::select! {
        exit = &mut examination => Ok(exit),
        _ = next(&mut terminate, &mut interrupt) => {
            stop.cancel();
            tokio::select! {
                exit = &mut examination => Ok(exit),
                // A second signal exits at once; the server times the open session out.
                signal = next(&mut terminate, &mut interrupt) => Err(io::Error::other(signal)),
            }
        }
    }
}

/// Waits for one of both signals; its name.
async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

fn not_examined(words: &str) -> Exit {
    Exit {
        code: NOT_EXAMINED,
        out: String::new(),
        err: format!("error: {words}\n"),
    }
}
