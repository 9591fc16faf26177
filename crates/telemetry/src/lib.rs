//! What the process reports of itself: the log on standard output, and spans to a collector.
//!
//! A dedicated thread writes the log, so a slow reader of standard output blocks nothing else. When
//! its queue is full, further lines are dropped and counted by [`LinesDropped`]. In the journal of
//! systemd each line begins with its priority.
//!
//! | file | one idea |
//! |---|---|
//! | `log_level.rs` | the filter of the log, changed while the process runs |
//! | `log_queue.rs` | the thread that writes, many lines at once |
//! | `json_lines.rs` | the lines of JSON |
//! | `escaped.rs` | nothing but printable ASCII in a line of text |
//! | `journal.rs` | priorities for the journal |
//! | `lines_dropped.rs` | the count of dropped lines, as a metric |
//! | `otlp/` | spans to a collector of OpenTelemetry |

mod escaped;
mod journal;
mod json_lines;
mod lines_dropped;
mod log_level;
mod log_queue;
mod otlp;

use std::{
    io::{self, IsTerminal, stdout},
    time::Duration,
};

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::{
    Layer, Registry, fmt, layer::SubscriberExt, registry::LookupSpan, reload,
    util::SubscriberInitExt,
};

use escaped::Escaped;
use journal::Prioritized;
use json_lines::JsonLines;
pub use lines_dropped::LinesDropped;
pub use log_level::{LevelError, LogLevel, Temporary};
use log_queue::LogQueue;
pub use otlp::{OtlpError, SpanMetrics, start as export_spans};
pub use whipstitch_config::log_filter::FilterError;

use whipstitch_config::{Log, LogFormat, log_filter};

/// Longest wait for the queued lines at the end.
const LAST_LINES: Duration = Duration::from_millis(1500);

/// Starts the log of this process, until the [`Flush`] is dropped, with a filter that can be
/// changed. A second call changes nothing.
///
/// # Errors
/// The filter is malformed, or the system has no thread to give.
pub fn init(log: &Log) -> Result<(Flush, LogLevel), LogError> {
    let filter = log_filter::parse(&log.filter)?;
    let queue = LogQueue::start(stdout())?;
    let (filter, handle) = reload::Layer::new(filter);
    let shape = Shape::of(
        log.format,
        stdout().is_terminal(),
        journal::is_journal(stdout()),
    );
    let started = Registry::default()
        .with(filter)
        .with(shape.layer(queue.clone()))
        .try_init();
    let set = move |filter| handle.reload(filter).map_err(|error| error.to_string());
    let level = LogLevel::new(&log.filter, set);
    if started.is_ok() {
        lines_dropped::count(queue.clone());
    }
    Ok((Flush(queue), level))
}

/// The log cannot be started.
#[derive(Debug, Error)]
pub enum LogError {
    /// The filter is malformed.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// There is no thread that could write it.
    #[error("the thread of the log cannot be started: {0}")]
    Thread(#[from] io::Error),
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
    fn layer<S>(self, queue: LogQueue) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        let colours = self.colours;
        if self.json {
            let layer = fmt::layer().with_writer(queue);
            return if self.journal {
                layer.event_format(Prioritized(JsonLines)).boxed()
            } else {
                layer.event_format(JsonLines).boxed()
            };
        }
        let inner = queue;
        let layer = fmt::layer()
            .with_writer(Escaped { inner, colours })
            .with_ansi(colours);
        if self.journal {
            // The journal records the time of a line itself, to the microsecond.
            let text = fmt::format().without_time().with_ansi(colours);
            layer.event_format(Prioritized(text)).boxed()
        } else {
            layer.boxed()
        }
    }
}

/// Writes the queued lines when it is dropped, for at most 1.5 s: the process must end even if
/// standard output is not read.
#[derive(Debug)]
#[must_use = "dropping it ends the log"]
pub struct Flush(LogQueue);

impl Drop for Flush {
    fn drop(&mut self) {
        self.0.close(LAST_LINES);
    }
}
