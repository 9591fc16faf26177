//! What TOML's parser says about a text, boiled down to what is certainly true.
//!
//! The parser goes on after an error. After a slip inside one value (no quotes) or a second key of the same name, what
//! follows is sound; after anything else, such as a bracket that is never closed, it is guesswork, and a page of
//! complaints about one missing bracket helps nobody. So the first error of that sort ends the reading.

use toml::de::Error;

/// Offsets → line numbers.
pub(super) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let after_breaks = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at + 1);
        Self {
            starts: std::iter::once(0).chain(after_breaks).collect(),
        }
    }

    /// The line, from 1, that holds this byte.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }
}

/// What the syntax errors come down to.
#[derive(Default)]
pub(super) struct Verdict {
    /// Mistakes of the file itself, with their offsets.
    pub(super) mistakes: Vec<(usize, String)>,
    /// Values that cannot stand as they are, to be reported under their key.
    pub(super) values: Vec<(usize, String)>,
    /// Where the text stops making sense, if it does.
    pub(super) cut: Option<usize>,
}

/// Judges the errors of one parse.
pub(super) fn judge(errors: &[Error], text: &str) -> Verdict {
    let mut errors: Vec<(usize, &Error)> = errors
        .iter()
        .map(|error| (error.span().map_or(text.len(), |span| span.start), error))
        .collect();
    errors.sort_by_key(|(offset, _)| *offset);

    let mut verdict = Verdict::default();
    for (offset, error) in errors {
        let message = error.message();
        if message.starts_with("duplicate key") {
            let name = error
                .span()
                .and_then(|span| text.get(span))
                .unwrap_or("a key");
            verdict.mistakes.push((
                offset,
                format!("{name} is written twice; take one of them out"),
            ));
        } else if message.starts_with("string values must be quoted") {
            verdict.values.push((offset, unquoted(error, text)));
        } else {
            let what = format!("not TOML: {message}; what follows was not read");
            verdict.mistakes.push((offset, what));
            verdict.cut = Some(offset);
            break;
        }
    }
    verdict
}

fn unquoted(error: &Error, text: &str) -> String {
    match error.span().and_then(|span| text.get(span)).map(str::trim) {
        None | Some("") => "has no value".to_owned(),
        Some(_) => "text has to stand in quotes".to_owned(),
    }
}
