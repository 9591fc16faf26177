//! Settings from everywhere → one [`Config`]. Each setting is judged alone, so that one mistake
//! hides no other.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, Kind, Mistake, SettingSource, keys::Key};

/// One key set to one value at one place.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) key: &'static Key,
    pub(super) value: Value,
    pub(super) place: SettingSource,
    /// The places of a list's items; empty if they all stand at `place`.
    pub(super) items: Vec<SettingSource>,
}

impl Setting {
    /// Where the item of this number stands, or the whole.
    pub(super) fn place_of(&self, item: Option<usize>) -> &SettingSource {
        item.and_then(|item| self.items.get(item))
            .unwrap_or(&self.place)
    }
}

/// What came out of all settings.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) config: Config,
    pub(super) mistakes: Vec<Mistake>,
    /// The settings that won, by key.
    pub(super) won: BTreeMap<&'static str, Setting>,
    /// Keys whose strongest setting is wrong, so that what rests on them cannot be judged.
    pub(super) broken: BTreeSet<&'static str>,
}

/// Lets later settings win over earlier ones. `broken` are keys that the weakest source failed to
/// set.
pub(super) fn compose(settings: Vec<Setting>, broken: Vec<&'static str>) -> Composed {
    let mut mistakes = Vec::new();
    let mut won: BTreeMap<&'static str, Setting> = BTreeMap::new();
    let mut broken: BTreeSet<&'static str> = broken.into_iter().collect();
    for setting in settings {
        let path = setting.key.path;
        let wrong = judge(&setting);
        if wrong.is_empty() {
            broken.remove(path);
            won.insert(path, setting);
        } else {
            broken.insert(path);
            mistakes.extend(wrong);
        }
    }
    let mut table = Table::new();
    for setting in won.values() {
        put(&mut table, setting.key, setting.value.clone());
    }
    let config = Config::deserialize(table).unwrap_or_else(|error| {
        // Each value was right alone; only a rule of serde across keys could bring us here, and
        // there is none.
        mistakes.push(Mistake::new(SettingSource::Unset, "", error.message()));
        Config::default()
    });
    Composed {
        config,
        mistakes,
        won,
        broken,
    }
}

fn put(table: &mut Table, key: &Key, value: Value) {
    let (section, name) = key.split();
    let section = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        section.insert(name.to_owned(), tidy(key, value));
    }
}

/// A URL may end in a slash, which means nothing; later code need not handle it.
fn tidy(key: &Key, value: Value) -> Value {
    match value {
        Value::String(url) if matches!(key.kind, Kind::Url | Kind::BaseUrl) => {
            Value::String(url.strip_suffix('/').unwrap_or(&url).to_owned())
        }
        value => value,
    }
}

/// Whether serde takes this value for this key.
fn fits(key: &Key, value: &Value) -> bool {
    let mut table = Table::new();
    put(&mut table, key, value.clone());
    Config::deserialize(table).is_ok()
}

/// Every mistake in one setting: one for each item of a list.
fn judge(setting: &Setting) -> Vec<Mistake> {
    let (key, value) = (setting.key, &setting.value);
    let mistake = |item, what| Mistake::new(setting.place_of(item).clone(), key.path, what);
    match value {
        Value::Array(items) if key.kind.is_list() => items
            .iter()
            .enumerate()
            .filter(|(_, item)| !fits(key, &Value::Array(vec![(*item).clone()])))
            .map(|(number, item)| mistake(Some(number), refusal(key.kind, item)))
            .collect(),
        one if key.kind.is_list() && fits(key, &Value::Array(vec![one.clone()])) => {
            vec![mistake(
                None,
                format!(
                    "{0} stands alone where a list is expected: write [{0}]",
                    shown(one)
                ),
            )]
        }
        value if fits(key, value) => Vec::new(),
        value => vec![mistake(None, refusal(key.kind, value))],
    }
}

fn refusal(kind: Kind, value: &Value) -> String {
    let mut what = format!("{} is not {}", shown(value), kind.expected());
    if let Some(hint) = kind.hint(value) {
        what.push_str("; ");
        what.push_str(&hint);
    }
    what
}

/// A value as it may stand in a message: on one line, short, and without what may be a password in
/// a URL.
pub(super) fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    match value {
        Value::String(text) if text.contains('@') => "this text".to_owned(),
        Value::String(text) if text.chars().count() > LONGEST => {
            format!(
                "{:?}",
                text.chars()
                    .take(LONGEST)
                    .chain("...".chars())
                    .collect::<String>()
            )
        }
        Value::String(text) => format!("{text:?}"),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            value.to_string()
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a section".to_owned(),
    }
}
