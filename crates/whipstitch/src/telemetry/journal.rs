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

/// Whether what is written here goes to the journal. That somebody up the tree of processes writes
/// there says nothing: the variable is inherited, standard output may be a file since.
pub(super) fn hears(out: impl AsFd) -> bool {
    env::var(STREAM).is_ok_and(|stream| is_stream(out, &stream).unwrap_or(false))
}

fn is_stream(out: impl AsFd, stream: &str) -> io::Result<bool> {
    // A file of our own, closed at the end of this, so that it can be asked what it is.
    let own: OwnedFd = out.as_fd().try_clone_to_owned()?;
    let metadata = File::from(own).metadata()?;
    Ok(stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}

/// A shape of lines, behind the priority that sd-daemon(3) describes; the journal takes that off.
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

/// syslog(3). Nothing is as important to us as to the system; 5, "normal but significant", has no
/// level here.
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
