//! Lines of JSON, an object each: time, level, the fields of the event, and its target.
//!
//! The shape is that of `tracing-subscriber` with its fields flattened. That one goes through two
//! serializers and a check of UTF-8, and an access line cost more than all else of its request. It
//! also leaves in a line what a terminal would obey; here everything but printable ASCII is an
//! escape, which to a reader of JSON means the character itself.

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    time::{SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// Room for most lines, in bytes.
const ROOM: usize = 1024;

/// Formats events as lines of JSON.
pub(crate) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut line = Line(String::with_capacity(ROOM));
        line.0.push_str("{\"timestamp\":\"");
        push_time(&mut line.0, SystemTime::now());
        line.0.push_str("\",\"level\":\"");
        line.0.push_str(metadata.level().as_str());
        line.0.push('"');
        event.record(&mut line);
        line.0.push_str(",\"target\":");
        line.text(metadata.target());
        line.0.push_str("}\n");
        writer.write_str(&line.0)
    }
}

/// A line that is not at its end yet.
struct Line(String);

impl Line {
    /// Begins a field; false for those in which the crate `log` carries the metadata of its lines.
    fn begins(&mut self, field: &Field) -> bool {
        let name = field.name();
        if name.starts_with("log.") {
            return false;
        }
        self.0.push_str(",\"");
        self.0.push_str(name.strip_prefix("r#").unwrap_or(name));
        self.0.push_str("\":");
        true
    }

    fn text(&mut self, text: &str) {
        self.0.push('"');
        self.escape(text);
        self.0.push('"');
    }

    fn escape(&mut self, text: &str) {
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if text.bytes().all(plain) {
            self.0.push_str(text);
            return;
        }
        for character in text.chars() {
            match character {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                ' '..='~' => self.0.push(character),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        // Writing into memory does not fail.
                        let _ = write!(self.0, "\\u{unit:04x}");
                    }
                }
            }
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.begins(field) {
            self.text(value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if self.begins(field) {
            self.0.push_str(itoa::Buffer::new().format(value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if self.begins(field) {
            self.0.push_str(itoa::Buffer::new().format(value));
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if self.begins(field) {
            let _ = if value.is_finite() {
                write!(self.0, "{value:?}")
            } else {
                self.0.write_str("null")
            };
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if self.begins(field) {
            self.0.push_str(if value { "true" } else { "false" });
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.begins(field) {
            self.0.push('"');
            let _ = write!(Escaping(self), "{value:?}");
            self.0.push('"');
        }
    }
}

/// Escapes what is formatted into a line.
struct Escaping<'l>(&'l mut Line);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.escape(text);
        Ok(())
    }
}

/// The time as RFC 3339 has it, in UTC and to the microsecond. All but the fraction is the same for
/// a second.
fn push_time(line: &mut String, now: SystemTime) {
    thread_local! {
        static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let second = i64::try_from(since.as_secs()).unwrap_or_default();
    SECOND.with_borrow_mut(|(of, text)| {
        if *of != second {
            let whole = Timestamp::from_second(second).unwrap_or_default();
            *text = whole.to_string();
            text.truncate(text.trim_end_matches('Z').len());
            *of = second;
        }
        line.push_str(text);
    });
    let micros = since.subsec_micros() + 1_000_000;
    line.push('.');
    line.push_str(
        itoa::Buffer::new()
            .format(micros)
            .get(1..)
            .unwrap_or_default(),
    );
    line.push('Z');
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc, sync::Mutex, time::Duration};

    use serde_json::{Value, json};
    use tracing::subscriber::with_default;
    use tracing_subscriber::{Layer as _, Registry, fmt, layer::SubscriberExt as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(piece);
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What an event becomes: by us, and by `tracing-subscriber`.
    fn lines(event: impl FnOnce()) -> (String, Value, Value) {
        let (ours, theirs) = (Written::default(), Written::default());
        let (to_us, to_them) = (ours.clone(), theirs.clone());
        let us = fmt::layer()
            .with_writer(move || to_us.clone())
            .event_format(JsonLines);
        let them = fmt::layer()
            .with_writer(move || to_them.clone())
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false);
        with_default(Registry::default().with(us.boxed()).with(them), event);
        let text = |written: Written| String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let (ours, theirs) = (text(ours), text(theirs));
        let read = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line.as_object_mut().unwrap().remove("timestamp").unwrap();
            line
        };
        let values = (read(&ours), read(&theirs));
        (ours, values.0, values.1)
    }

    #[test]
    fn a_line_says_what_the_librarys_says() {
        let told = "caf\u{e9} \u{202e} \u{1f3a5} \u{7f} \" \\ \n \u{1b}[31m";
        let error: &(dyn std::error::Error + 'static) = &std::fmt::Error;
        let (line, ours, theirs) = lines(|| {
            tracing::warn!(
                target: "access",
                text = told,
                shown = %told,
                debug = ?told,
                error,
                none = Option::<u64>::None,
                some = Some(7_u64),
                low = -3_i64,
                share = 0.5_f64,
                whole = 1.0_f64,
                odd = f64::NAN,
                yes = true,
                r#type = 1_u64,
                "the message: {told}"
            );
        });
        assert_eq!(ours, theirs);
        assert_eq!(ours["text"], told);
        assert!(line.ends_with("}\n") && line.is_ascii(), "{line}");
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn the_time_is_that_of_rfc_3339() {
        let at = |micros: u64| {
            let mut line = String::new();
            push_time(&mut line, UNIX_EPOCH + Duration::from_micros(micros));
            line
        };
        assert_eq!(at(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(1_796_000_767_000_042), "2026-11-30T01:06:07.000042Z");
        assert_eq!(at(1_796_000_767_999_999), "2026-11-30T01:06:07.999999Z");
        assert_eq!(
            json!(at(951_782_400_500_000)),
            "2000-02-29T00:00:00.500000Z"
        );
    }
}
