//! The text of a configuration file → settings with their lines.

mod syntax;
mod unknown;

use std::borrow::Cow;

use serde::Deserialize;
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    Mistake, SettingSource,
    compose::Setting,
    keys::{Section, section},
    retired,
};
use syntax::{Lines, Verdict};

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) settings: Vec<Setting>,
    pub(super) mistakes: Vec<Mistake>,
    /// What has no effect.
    pub(super) warnings: Vec<Mistake>,
    /// Keys that were set, or probably meant, in a way that gave no setting but a mistake.
    pub(super) broken: Vec<&'static str>,
    /// Whether a mistake in the syntax hid the rest of the file, so that nothing in it can be
    /// called missing.
    pub(super) cut: bool,
}

/// Reads the text of the file that was opened as `name`. Never fails: what is wrong is in the
/// answer.
pub(super) fn read(text: &str, name: &str) -> File {
    let (table, errors) = DeTable::parse_recoverable(text);
    let table = table.into_inner();
    let mut reader = Reader {
        name,
        lines: Lines::new(text),
        verdict: Verdict::new(&errors, text, &table),
        file: File::default(),
    };
    reader.file.cut = reader.verdict.cut.is_some();
    for (offset, what) in std::mem::take(&mut reader.verdict.mistakes) {
        reader.mistake(offset, "", what);
    }
    for (key, value) in table {
        reader.top(&key, value);
    }
    reader.file
}

struct Reader<'a> {
    name: &'a str,
    lines: Lines,
    verdict: Verdict,
    file: File,
}

impl Reader<'_> {
    fn place(&self, offset: usize) -> SettingSource {
        SettingSource::File {
            name: self.name.to_owned(),
            line: Some(self.lines.line_of(offset)),
        }
    }

    fn mistake(&mut self, offset: usize, key: impl Into<String>, what: impl Into<String>) {
        let mistake = Mistake::new(self.place(offset), key, what);
        self.file.mistakes.push(mistake);
    }

    fn break_section(&mut self, section: &'static Section) {
        self.file
            .broken
            .extend(section.keys.iter().map(|key| key.path));
    }

    fn top(&mut self, name: &Spanned<Cow<'_, str>>, value: Spanned<DeValue<'_>>) {
        let (start, end) = (name.span().start, value.span().end);
        match (section(name.get_ref()), value.into_inner()) {
            (Some(section), DeValue::Table(table)) => {
                for (key, value) in table {
                    self.in_section(section, &key, value);
                }
            }
            _ if self.verdict.hides(start.max(end)) => {}
            (Some(section), _) => {
                let name = section.name;
                let what = format!(
                    "is a section: write [{name}] on a line of its own, and its keys below it"
                );
                self.mistake(start, name, what);
                self.break_section(section);
            }
            (None, DeValue::Table(_)) => {
                let (what, meant) = unknown::section(name.get_ref());
                self.mistake(start, format!("[{}]", printable(name.get_ref())), what);
                if let Some(meant) = meant {
                    self.break_section(meant);
                }
            }
            (None, _) => {
                let what = unknown::outside(name.get_ref());
                self.mistake(start, printable(name.get_ref()), what);
            }
        }
    }

    fn in_section(
        &mut self,
        section: &'static Section,
        name: &Spanned<Cow<'_, str>>,
        value: Spanned<DeValue<'_>>,
    ) {
        let (start, span) = (name.span().start, value.span());
        if self.verdict.hides(start.max(span.end)) {
            return;
        }
        let Some(key) = section
            .keys
            .iter()
            .find(|key| key.split().1 == name.get_ref())
        else {
            if let Some(retired) = retired::key(section.name, name.get_ref()) {
                let warning = Mistake::new(self.place(start), retired.path, retired.why);
                self.file.warnings.push(warning);
                return;
            }
            let (what, meant) = unknown::key(section, name.get_ref());
            let path = format!("{}.{}", section.name, printable(name.get_ref()));
            self.mistake(start, path, what);
            self.file.broken.extend(meant.map(|key| key.path));
            return;
        };
        let refused = self.verdict.refused_within(&span);
        if !refused.is_empty() {
            self.file.broken.push(key.path);
            for (offset, what) in refused {
                self.mistake(offset, key.path, what);
            }
            return;
        }
        let items = match value.get_ref() {
            DeValue::Array(items) => items
                .iter()
                .map(|item| self.place(item.span().start))
                .collect(),
            _ => Vec::new(),
        };
        let place = self.place(start);
        if let Ok(value) = Value::deserialize(ValueDeserializer::from(value)) {
            self.file.settings.push(Setting {
                key,
                value,
                place,
                items,
            });
        } else {
            // A number that nothing can hold.
            self.mistake(
                start,
                key.path,
                format!("this is not {}", key.kind.expected()),
            );
            self.file.broken.push(key.path);
        }
    }
}

/// A name as it may stand in a message: short, and without control characters.
fn printable(name: &str) -> String {
    name.chars().take(60).flat_map(char::escape_debug).collect()
}
