//! The log: one line an event, on standard output; and spans, see `otlp`.
//!
//! A thread of its own writes the lines, so that whoever reads them may stall without stopping anything else. Lines
//! beyond the `LINES` that wait are dropped, and counted by `LinesDropped`.

mod dropped;
mod level;
mod otlp;

use std::{
    io::{IsTerminal, stdout},
    sync::mpsc,
    thread,
    time::Duration,
};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt};

pub(crate) use dropped::LinesDropped;
pub use level::{LevelError, LogLevel, Temporary};
pub use otlp::{Endpoint, EndpointError, OtlpError};
pub(crate) use otlp::{SpanMetrics, start as export_spans};

use crate::config::{Log, LogFormat};

/// Most lines that wait to be written.
const LINES: usize = 16_384;

/// Longest wait for the last lines at the end: more than the 1.1 s that their writer gives itself.
const LAST_LINES: Duration = Duration::from_millis(1500);

/// Starts the log of this process, until the [`Flush`] is dropped, with a filter that can be changed. A second call
/// changes nothing.
///
/// # Errors
/// The filter is not one.
pub fn init(log: &Log) -> Result<(Flush, LogLevel), ParseError> {
    let filter = EnvFilter::builder().parse(&log.filter)?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES)
        .thread_name("log")
        .finish(stdout());
    let dropped = writer.error_counter();
    let builder = fmt().with_env_filter(filter).with_writer(writer);
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !stdout().is_terminal(),
    };
    // The type of the handle holds that of the whole log, which is another one for each shape of a line.
    let (started, level) = if json {
        let builder = builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_filter_reloading();
        let handle = builder.reload_handle();
        let set = move |filter| handle.reload(filter).map_err(|error| error.to_string());
        (builder.try_init(), LogLevel::new(&log.filter, set))
    } else {
        let builder = builder
            .with_ansi(stdout().is_terminal())
            .with_filter_reloading();
        let handle = builder.reload_handle();
        let set = move |filter| handle.reload(filter).map_err(|error| error.to_string());
        (builder.try_init(), LogLevel::new(&log.filter, set))
    };
    if started.is_ok() {
        dropped::count(dropped);
    }
    Ok((Flush(Some(guard)), level))
}

/// Writes the lines that still wait when it is dropped, for at most a second and a half: the process must end even if
/// nobody reads them.
#[derive(Debug)]
#[must_use = "the log ends with it"]
pub struct Flush(Option<WorkerGuard>);

impl Drop for Flush {
    fn drop(&mut self) {
        let Some(guard) = self.0.take() else {
            return;
        };
        // Not here: a guard that finds the queue full says so on standard output, where it waits for the same reader.
        let (done, over) = mpsc::channel::<()>();
        let flush = move || {
            drop(guard);
            drop(done);
        };
        if thread::Builder::new()
            .name("log-end".to_owned())
            .spawn(flush)
            .is_ok()
        {
            // An error is what is expected: the sender is gone, or the time is up.
            let _ = over.recv_timeout(LAST_LINES);
        }
    }
}
