//! The log: one line an event, on standard output.

use std::io::{IsTerminal, stdout};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};

/// Starts the log of this process. A second call changes nothing.
///
/// # Errors
/// The filter is not one.
pub fn init(log: &Log) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(&log.filter)?;
    let builder = fmt().with_env_filter(filter).with_writer(stdout);
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !stdout().is_terminal(),
    };
    let _ = if json {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
    } else {
        builder.with_ansi(stdout().is_terminal()).try_init()
    };
    Ok(())
}
