//! What the process reports of itself: the log on standard output, and spans to a collector.
//!
//! A dedicated thread writes the log, so a slow reader of standard output blocks nothing else. When
//! more than `LINES` lines are queued, further ones are dropped and counted by [`LinesDropped`].
//! In the journal of systemd each line begins with its priority.
//!
//! | file | one idea |
//! |---|---|
//! | `log_level.rs` | the filter of the log, changed while the process runs |
//! | `escaped.rs` | nothing but printable ASCII in a line |
//! | `journal.rs` | priorities for the journal |
//! | `lines_dropped.rs` | the count of dropped lines, as a metric |
//! | `otlp/` | spans to a collector of OpenTelemetry |

mod escaped;
mod journal;
mod lines_dropped;
mod log_level;
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

use escaped::{Escaped, Style};
use journal::Prioritized;
pub use lines_dropped::LinesDropped;
pub use log_level::{LevelError, LogLevel, Temporary};
pub use otlp::{OtlpError, SpanMetrics, start as export_spans};
pub use whipstitch_config::log_filter::FilterError;

use whipstitch_config::{Log, LogFormat, log_filter};

/// Most lines in the queue of the writer.
const LINES: usize = 16_384;

/// Longest wait for the queued lines at the end: more than the 1.1 s that the writer itself takes.
const LAST_LINES: Duration = Duration::from_millis(1500);

/// Starts the log of this process, until the [`Flush`] is dropped, with a filter that can be
/// changed. A second call changes nothing.
///
/// # Errors
/// The filter is malformed.
pub fn init(log: &Log) -> Result<(Flush, LogLevel), FilterError> {
    let filter = log_filter::parse(&log.filter)?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES)
        .thread_name("log")
        .finish(stdout());
    let dropped = writer.error_counter();
    let (filter, handle) = reload::Layer::new(filter);
    let shape = Shape::of(
        log.format,
        stdout().is_terminal(),
        journal::is_journal(stdout()),
    );
    let started = Registry::default()
        .with(filter)
        .with(shape.layer(writer))
        .try_init();
    let set = move |filter| handle.reload(filter).map_err(|error| error.to_string());
    let level = LogLevel::new(&log.filter, set);
    if started.is_ok() {
        lines_dropped::count(dropped);
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
    /// The configured shape, for this kind of standard output.
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

    /// The layer that writes lines of this shape. It is boxed, so that all shapes have one type;
    /// the extra call a line is small beside formatting.
    fn layer<S>(self, writer: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        let style = if self.json {
            Style::Json
        } else {
            Style::Text {
                colours: self.colours,
            }
        };
        let inner = writer;
        let layer = fmt::layer()
            .with_writer(Escaped { inner, style })
            .with_ansi(self.colours);
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
            // The journal records the time of a line itself, to the microsecond.
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

/// Writes the queued lines when it is dropped, for at most 1.5 s: the process must end even if
/// standard output is not read.
#[derive(Debug)]
#[must_use = "dropping it ends the log"]
pub struct Flush(Option<WorkerGuard>);

impl Drop for Flush {
    fn drop(&mut self) {
        let Some(guard) = self.0.take() else {
            return;
        };
        // In another thread: a guard that finds the queue full prints that to standard output, and
        // blocks on the same reader.
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
            // Both errors are expected: the sender was dropped, or the time is up.
            let _ = over.recv_timeout(LAST_LINES);
        }
    }
}
