//! The log: one line an event, on standard output; and spans, see `otlp`.
//!
//! A thread of its own writes the lines, so that whoever reads them may stall without stopping
//! anything else. Lines beyond the `LINES` that wait are dropped, and counted by `LinesDropped`. To
//! the journal each begins with its priority.

mod dropped;

mod journal;
mod level;
mod otlp;

use std::{
    io::{IsTerminal, stdout},
    sync::mpsc,
    thread,
    time::Duration,
};

use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer, Registry,
    fmt::{
        self,
        format::{Format, Json, JsonFields},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt,
};

pub(crate) use dropped::LinesDropped;
use journal::Prioritized;
pub use level::{LevelError, LogLevel, Temporary};
pub use otlp::OtlpError;
pub(crate) use otlp::{SpanMetrics, start as export_spans};
pub use whipstitch_config::log_filter::FilterError;

use crate::config::{Log, LogFormat, log_filter};

/// Most lines that wait to be written.
const LINES: usize = 16_384;

/// Longest wait for the last lines at the end: more than the 1.1 s that their writer gives itself.
const LAST_LINES: Duration = Duration::from_millis(1500);

/// Starts the log of this process, until the [`Flush`] is dropped, with a filter that can be
/// changed. A second call changes nothing.
///
/// # Errors
/// The filter is not one.
pub fn init(log: &Log) -> Result<(Flush, LogLevel), FilterError> {
    let filter = log_filter::parse(&log.filter)?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES)
        .thread_name("log")
        .finish(stdout());
    let dropped = writer.error_counter();
    let (filter, handle) = reload::Layer::new(filter);
    let shape = Shape::of(log.format, stdout().is_terminal(), journal::hears(stdout()));
    let started = Registry::default()
        .with(filter)
        .with(shape.layer(writer))
        .try_init();
    let set = move |filter| handle.reload(filter).map_err(|error| error.to_string());
    let level = LogLevel::new(&log.filter, set);
    if started.is_ok() {
        dropped::count(dropped);
    }
    Ok((Flush(Some(guard)), level))
}

/// The shape of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    json: bool,
    colours: bool,
    journal: bool,
}

impl Shape {
    /// What was configured, for a standard output of this kind.
    fn of(format: LogFormat, terminal: bool, journal: bool) -> Self {
        Self {
            json: match format {
                LogFormat::Json => true,
                LogFormat::Text => false,
                LogFormat::Auto => !terminal,
            },
            colours: terminal,
            journal,
        }
    }

    /// What writes such lines. One type for all shapes: a call more for each line, which is nothing
    /// beside its text.
    fn layer<S>(self, writer: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        let layer = fmt::layer().with_writer(writer).with_ansi(self.colours);
        match (self.json, self.journal) {
            (true, false) => layer
                .event_format(json())
                .fmt_fields(JsonFields::new())
                .boxed(),
            (true, true) => layer
                .event_format(Prioritized(json()))
                .fmt_fields(JsonFields::new())
                .boxed(),
            (false, false) => layer.boxed(),
            // The journal knows when it got a line, to the microsecond.
            (false, true) => layer
                .event_format(Prioritized(
                    fmt::format().without_time().with_ansi(self.colours),
                ))
                .boxed(),
        }
    }
}

fn json() -> Format<Json> {
    fmt::format()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
}

/// Writes the lines that still wait when it is dropped, for at most a second and a half: the
/// process must end even if nobody reads them.
#[derive(Debug)]
#[must_use = "the log ends with it"]
pub struct Flush(Option<WorkerGuard>);

impl Drop for Flush {
    fn drop(&mut self) {
        let Some(guard) = self.0.take() else {
            return;
        };
        // Not here: a guard that finds the queue full says so on standard output, where it waits
        // for the same reader.
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
