//! Lines for the journal of systemd: each begins with its priority, so that `journalctl -p err`
//! finds it.

use std::{
    env, fmt,
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// Where systemd says which of its streams is the journal's: device and inode (systemd.exec(5)).
const STREAM: &str = "JOURNAL_STREAM";

/// Whether this stream is the journal's. The variable alone does not say so: a child process
/// inherits it although its standard output may be a file.
pub(super) fn is_journal(out: impl AsFd) -> bool {
    env::var(STREAM).is_ok_and(|stream| is_stream(out, &stream).unwrap_or(false))
}

fn is_stream(out: impl AsFd, stream: &str) -> io::Result<bool> {
    // A duplicate, closed at the end of this function, because only a `File` has metadata.
    let own: OwnedFd = out.as_fd().try_clone_to_owned()?;
    let metadata = File::from(own).metadata()?;
    Ok(stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}

/// A format with the priority of sd-daemon(3) in front, which the journal removes.
pub(super) struct Prioritized<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for Prioritized<F>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

/// The priority of syslog(3). 0 to 2 concern the whole system; 5, "normal but significant", has no
/// level in `tracing`.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_stream_is_the_journal() {
        let file = tempfile::tempfile().unwrap();
        let metadata = file.metadata().unwrap();
        let (device, inode) = (metadata.dev(), metadata.ino());
        assert!(is_stream(&file, &format!("{device}:{inode}")).unwrap());
        for other in [
            format!("{device}:{}", inode + 1),
            format!("{}:{inode}", device + 1),
            String::new(),
            format!("{device}:{inode}:1"),
            "x".to_owned(),
        ] {
            assert!(!is_stream(&file, &other).unwrap(), "{other}");
        }
    }
}
