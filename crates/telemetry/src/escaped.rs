//! Nothing that a client sent changes how a line of text is shown or where it ends.
//!
//! The formatter escapes some control characters. Here each line passes as a whole: what is not
//! printable ASCII is escaped, as `\u{202e}`, marks that turn the direction of text among it.

use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Writers that escape each line; a line is one write.
#[derive(Clone, Debug)]
pub(crate) struct Escaped<M> {
    pub(crate) inner: M,
    /// Whether the sequences of colours pass: the formatter takes them out of values.
    pub(crate) colours: bool,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Escaped<M> {
    type Writer = Escaped<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaped {
            inner: self.inner.make_writer(),
            colours: self.colours,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        Escaped {
            inner: self.inner.make_writer_for(metadata),
            colours: self.colours,
        }
    }
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match escaped(line, self.colours) {
            Some(escaped) => self.inner.write_all(escaped.as_bytes())?,
            None => self.inner.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The line with escapes; `None` if it needs none.
fn escaped(line: &[u8], colours: bool) -> Option<String> {
    let (text, end) = match line.strip_suffix(b"\n") {
        Some(text) => (text, "\n"),
        None => (line, ""),
    };
    let passes = |byte: u8| matches!(byte, b' '..=b'~') || (colours && byte == 0x1b);
    if text.iter().copied().all(passes) {
        return None;
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for character in String::from_utf8_lossy(text).chars() {
        if u8::try_from(character).is_ok_and(passes) {
            escaped.push(character);
        } else {
            escaped.extend(character.escape_unicode());
        }
    }
    escaped.push_str(end);
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, colours: bool) -> String {
        escaped(line.as_bytes(), colours).unwrap_or_else(|| line.to_owned())
    }

    #[test]
    fn only_printable_ascii_passes() {
        let line = "path=/a\u{202e}b \u{e9}\n\u{1}\u{9b}\u{7f}\n";
        let expected = "path=/a\\u{202e}b \\u{e9}\\u{a}\\u{1}\\u{9b}\\u{7f}\n";
        assert_eq!(of(line, false), expected);
        assert_eq!(escaped(b"\xff", false).as_deref(), Some("\\u{fffd}"));
        for colours in [false, true] {
            assert_eq!(escaped(b"a=\"b~\"\n", colours), None);
        }
    }

    #[test]
    fn colours_pass_where_there_are_some() {
        let line = "\u{1b}[32mINFO\u{1b}[0m a\n";
        assert_eq!(of(line, true), line);
        assert_eq!(of(line, false), "\\u{1b}[32mINFO\\u{1b}[0m a\n");
    }
}
