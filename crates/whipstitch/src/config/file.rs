//! The text of a configuration file → settings with their lines.

mod syntax;

use serde::Deserialize;
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    Mistake, Place,
    compose::Setting,
    keys::{Key, SECTIONS, Section, keys, section},
    nearest::nearest,
};
use syntax::Lines;

/// How many letters a slip of the fingers may change.
const SLIP: usize = 2;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) settings: Vec<Setting>,
    pub(super) mistakes: Vec<Mistake>,
    /// Whether a mistake in the syntax hid the rest of the file, so that nothing in it can be called missing.
    pub(super) cut: bool,
}

/// Reads the text of the file that was opened as `name`. Never fails: what is wrong is in the answer.
pub(super) fn read(text: &str, name: &str) -> File {
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::new(text);
    let verdict = syntax::judge(&errors, text);
    let place = |offset| Place::File {
        name: name.to_owned(),
        line: Some(lines.line_of(offset)),
    };

    let mut reader = Reader {
        place: &place,
        file: File::default(),
        cut: verdict.cut,
        refused: verdict.values,
    };
    reader.file.cut = verdict.cut.is_some();
    for (offset, what) in verdict.mistakes {
        reader
            .file
            .mistakes
            .push(Mistake::new(place(offset), "", what));
    }
    for (key, value) in table.into_inner() {
        reader.top(&key, value);
    }
    reader.file
}

struct Reader<'a> {
    place: &'a dyn Fn(usize) -> Place,
    file: File,
    /// From here on the text could not be understood.
    cut: Option<usize>,
    /// Offsets of values that the syntax has refused already, with the reason.
    refused: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn mistake(&mut self, offset: usize, key: impl Into<String>, what: String) {
        self.file
            .mistakes
            .push(Mistake::new((self.place)(offset), key, what));
    }

    /// Whether this is at or behind the cut, so that nobody knows what it was meant to be.
    fn is_hidden(&self, start: usize, end: usize) -> bool {
        self.cut.is_some_and(|cut| cut <= start.max(end))
    }

    fn top(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>, value: Spanned<DeValue<'_>>) {
        let offset = name.span().start;
        let span = value.span();
        match (section(name.get_ref()), value.into_inner()) {
            (Some(section), DeValue::Table(table)) => {
                for (key, value) in table {
                    self.in_section(section, &key, value);
                }
            }
            _ if self.is_hidden(offset, span.end) => {}
            (Some(section), _) => {
                let name = section.name;
                let what = format!(
                    "is a section: write [{name}] on a line of its own, and its keys below it"
                );
                self.mistake(offset, name, what);
            }
            (None, value) => {
                let what = unknown_at_top(name.get_ref(), &value);
                let name = printable(name.get_ref());
                let key = if value.is_table() {
                    format!("[{name}]")
                } else {
                    name
                };
                self.mistake(offset, key, what);
            }
        }
    }

    fn in_section(
        &mut self,
        section: &'static Section,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: Spanned<DeValue<'_>>,
    ) {
        let (start, span) = (name.span().start, value.span());
        if self.is_hidden(start, span.end) {
            return;
        }
        let Some(key) = section
            .keys
            .iter()
            .find(|key| key.split().1 == name.get_ref())
        else {
            let path = format!("{}.{}", section.name, printable(name.get_ref()));
            self.mistake(start, path, unknown_in(section, name.get_ref()));
            return;
        };
        let refused = self
            .refused
            .iter()
            .find(|(at, _)| span.contains(at) || span.start == *at);
        if let Some((offset, what)) = refused.cloned() {
            self.mistake(offset, key.path, what);
            return;
        }
        let items = match value.get_ref() {
            DeValue::Array(items) => items
                .iter()
                .map(|item| (self.place)(item.span().start))
                .collect(),
            _ => Vec::new(),
        };
        match Value::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => {
                let place = (self.place)(start);
                self.file.settings.push(Setting {
                    key,
                    value,
                    place,
                    items,
                });
            }
            Err(error) => self.mistake(start, key.path, error.message().to_owned()),
        }
    }
}

/// What to say about a name outside of every section.
fn unknown_at_top(name: &str, value: &DeValue<'_>) -> String {
    if !value.is_table() {
        let homes = homes(name);
        return match homes.as_slice() {
            [] => format!("no such key; keys stand in sections: {}", section_names()),
            homes => format!(
                "stands outside of its section: write it below {}",
                homes.join(" or ")
            ),
        };
    }
    match nearest(name, SECTIONS.iter().map(|section| section.name), SLIP) {
        Some(meant) => format!("no such section; did you mean [{meant}]?"),
        None => format!("no such section; there are {}", section_names()),
    }
}

/// What to say about an unknown name in a section.
fn unknown_in(section: &Section, name: &str) -> String {
    let allowed: Vec<&str> = section.keys.iter().map(|key| key.split().1).collect();
    let meant = nearest(name, allowed.iter().copied(), SLIP)
        .map(|meant| format!("did you mean {meant}? "))
        .or_else(|| match homes(name).as_slice() {
            [] => None,
            homes => Some(format!("{name} stands in {}. ", homes.join(" and "))),
        })
        .unwrap_or_default();
    format!(
        "no such key; {meant}[{}] has {}",
        section.name,
        allowed.join(", ")
    )
}

/// The sections that have a key of this name.
fn homes(name: &str) -> Vec<String> {
    let home = |key: &Key| {
        let (section, key) = key.split();
        (key == name).then(|| format!("[{section}]"))
    };
    keys().filter_map(home).collect()
}

fn section_names() -> String {
    let names: Vec<String> = SECTIONS
        .iter()
        .map(|section| format!("[{}]", section.name))
        .collect();
    names.join(", ")
}

/// A name as it may stand in a message: short, and without control characters.
fn printable(name: &str) -> String {
    name.chars().take(60).flat_map(char::escape_debug).collect()
}
