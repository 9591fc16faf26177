//! What TOML's parser says about a text, boiled down to what is certainly true.
//!
//! The parser continues after an error. After a slip inside one value, or a second key of the same
//! name, what follows is sound; after anything else, such as a bracket that is never closed, it is
//! guesswork, and a page of complaints about one missing bracket is no help. So the first error
//! of that sort ends the reading.

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

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

/// What the errors of one parse come down to; offsets are bytes of the text.
#[derive(Default)]
pub(super) struct Verdict {
    /// Mistakes of the file itself.
    pub(super) mistakes: Vec<(usize, String)>,
    /// Mistakes inside a value, to be reported under its key.
    refused: Vec<(usize, String)>,
    /// Where the text stops making sense, if it does.
    pub(super) cut: Option<usize>,
}

impl Verdict {
    /// Judges the errors of the parse that made `table` from `text`.
    pub(super) fn new(errors: &[Error], text: &str, table: &DeTable<'_>) -> Self {
        let mut verdict = Self::default();
        if errors.is_empty() {
            return verdict;
        }
        let mut values = Vec::new();
        for value in table.values() {
            one_line_values(value.get_ref(), &value.span(), text, &mut values);
        }
        values.sort_by_key(|value| value.start);

        let mut errors: Vec<(usize, &Error)> = errors
            .iter()
            .map(|error| (error.span().map_or(text.len(), |span| span.start), error))
            .collect();
        errors.sort_by_key(|(offset, _)| *offset);
        for (offset, error) in errors {
            let message = error.message();
            if message.starts_with("duplicate key") {
                verdict.mistakes.push((offset, twice(offset, error, text)));
            } else if message.starts_with("unexpected key or value") {
                // The parser continues with the next line.
                verdict.mistakes.push((
                    offset,
                    "more follows on the line than one value; text has to stand in quotes"
                        .to_owned(),
                ));
            } else if let Some(value) =
                holder(&values, offset).filter(|_| !message.starts_with("missing comma"))
            {
                verdict.refused.push((
                    offset,
                    unreadable(text.get(value).unwrap_or_default(), message),
                ));
            } else {
                let what = format!(
                    "not TOML, or a quote or bracket before it is not closed: {message}; what follows was not read"
                );
                verdict.mistakes.push((offset, what));
                verdict.cut = Some(offset);
                break;
            }
        }
        verdict
    }

    /// Whether what ends here is at or behind the cut, so that its meaning is
    /// unknown.
    pub(super) fn hides(&self, end: usize) -> bool {
        self.cut.is_some_and(|cut| cut <= end)
    }

    /// The mistakes inside a value.
    pub(super) fn refused_within(&self, value: &Range<usize>) -> Vec<(usize, String)> {
        let within = |offset: usize| value.start <= offset && offset <= value.end;
        self.refused
            .iter()
            .filter(|(offset, _)| within(*offset))
            .cloned()
            .collect()
    }
}

/// The spans of all values that hold no others and no line break: a mistake in one ends with its
/// line.
fn one_line_values(
    value: &DeValue<'_>,
    span: &Range<usize>,
    text: &str,
    found: &mut Vec<Range<usize>>,
) {
    match value {
        DeValue::Table(table) => {
            for value in table.values() {
                one_line_values(value.get_ref(), &value.span(), text, found);
            }
        }
        DeValue::Array(items) => {
            for item in items {
                one_line_values(item.get_ref(), &item.span(), text, found);
            }
        }
        _ if text
            .get(span.clone())
            .is_some_and(|raw| !raw.contains('\n')) =>
        {
            found.push(span.clone());
        }
        _ => {}
    }
}

/// The value that an error belongs to; one that is never closed is reported right behind it.
fn holder(values: &[Range<usize>], offset: usize) -> Option<Range<usize>> {
    let behind = values.partition_point(|value| value.start <= offset);
    let value = values.get(behind.checked_sub(1)?)?;
    (offset <= value.end).then(|| value.clone())
}

fn unreadable(raw: &str, message: &str) -> String {
    match raw.trim().chars().next() {
        None => "has no value".to_owned(),
        Some('"' | '\'') => format!("not TOML: {message}"),
        Some(first) if first.is_ascii_digit() => {
            "is neither a number nor text: addresses, networks and durations have to stand in quotes".to_owned()
        }
        Some(_) => "text has to stand in quotes".to_owned(),
    }
}

fn twice(offset: usize, error: &Error, text: &str) -> String {
    let name = error
        .span()
        .and_then(|span| text.get(span))
        .unwrap_or("a key");
    let line = text
        .get(..offset)
        .and_then(|before| before.lines().last())
        .unwrap_or_default();
    if line.trim() == "[" {
        format!("[{name}] is written twice: put its keys together")
    } else {
        format!("{name} is written twice: take one of them out")
    }
}
