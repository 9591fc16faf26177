//! Nothing that a client sent changes how a line of the log is shown or where it ends.
//!
//! Formatters escape quotes and some control characters, each in its own way. Here each line passes
//! as a whole: what is not printable ASCII is escaped, marks that turn the direction of text among
//! it. In JSON an escape means the character itself, so that a reader gets the same text.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use tracing_subscriber::fmt::MakeWriter;

/// How escapes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `\u202e`, as in a string of JSON.
    Json,
    /// `\u{202e}`; the escape sequences of colours pass, since the formatter takes them out of
    /// values.
    Text { colours: bool },
}

/// Writers that escape each line; a line is one write.
#[derive(Clone, Debug)]
pub(crate) struct Escaped<M> {
    pub(crate) inner: M,
    pub(crate) style: Style,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Escaped<M> {
    type Writer = Escaped<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaped {
            inner: self.inner.make_writer(),
            style: self.style,
        }
    }
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match escaped(line, self.style) {
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
fn escaped(line: &[u8], style: Style) -> Option<String> {
    let (text, end) = match line.strip_suffix(b"\n") {
        Some(text) => (text, "\n"),
        None => (line, ""),
    };
    let colours = style == Style::Text { colours: true };
    let passes = |byte: u8| matches!(byte, b' '..=b'~') || (colours && byte == 0x1b);
    if text.iter().copied().all(passes) {
        return None;
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for character in String::from_utf8_lossy(text).chars() {
        if u8::try_from(character).is_ok_and(passes) {
            escaped.push(character);
        } else if style == Style::Json {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing into memory does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
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

    const TEXT: Style = Style::Text { colours: false };
    const COLOURS: Style = Style::Text { colours: true };

    fn of(line: &str, style: Style) -> String {
        escaped(line.as_bytes(), style).unwrap_or_else(|| line.to_owned())
    }

    #[test]
    fn only_printable_ascii_passes() {
        let line = "path=/a\u{202e}b \u{e9}\n\u{1}\u{9b}\u{7f}\n";
        let expected = "path=/a\\u{202e}b \\u{e9}\\u{a}\\u{1}\\u{9b}\\u{7f}\n";
        assert_eq!(of(line, TEXT), expected);
        assert_eq!(escaped(b"\xff", TEXT).as_deref(), Some("\\u{fffd}"));
        for style in [Style::Json, TEXT, COLOURS] {
            assert_eq!(escaped(b"{\"a\":\"b\\n~\"}\n", style), None);
        }
    }

    #[test]
    fn a_reader_of_json_gets_the_same_text() {
        let told = "caf\u{e9} \u{202e} \u{1f3a5} \u{7f}";
        let line = format!("{}\n", serde_json::json!({ "path": told }));
        let escaped = of(&line, Style::Json);
        assert!(
            escaped.is_ascii() && !escaped.contains('\u{7f}'),
            "{escaped}"
        );
        let read: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read["path"], told);
    }

    #[test]
    fn colours_pass_where_there_are_some() {
        let line = "\u{1b}[32mINFO\u{1b}[0m a\n";
        assert_eq!(of(line, COLOURS), line);
        assert_eq!(of(line, TEXT), "\\u{1b}[32mINFO\\u{1b}[0m a\n");
    }
}
