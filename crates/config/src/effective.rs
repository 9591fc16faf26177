//! What counts, key by key, and where each value came from.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer};
use toml::{Table, Value};

use super::{
    Config, SettingSource,
    compose::Setting,
    keys::{Key, keys},
};

/// Where the keys that were set were set: in the source that won.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    won: BTreeMap<&'static str, SettingSource>,
    /// Limits that were lowered to fit below the limit of open files, as they were configured.
    lowered: BTreeMap<&'static str, usize>,
}

impl Origins {
    pub(super) fn of(won: &BTreeMap<&'static str, Setting>) -> Self {
        let place = |(key, setting): (&&'static str, &Setting)| (*key, setting.place.clone());
        Self {
            won: won.iter().map(place).collect(),
            lowered: BTreeMap::new(),
        }
    }

    pub(super) fn lowered_from(&mut self, configured: BTreeMap<&'static str, usize>) {
        self.lowered = configured;
    }

    /// The origin of the value of the key with this path.
    pub fn origin(&self, path: &str) -> Origin {
        match self.won.get(path) {
            None | Some(SettingSource::Unset) => Origin::Default,
            Some(SettingSource::File { line, .. }) => Origin::File { line: *line },
            Some(SettingSource::Environment(name)) => Origin::Environment(name.clone()),
            Some(SettingSource::Flag(_)) => Origin::CommandLine,
        }
    }
}

/// Where a value came from. Displayed, and serialized, as `default`, `file:LINE`, `environment
/// NAME` or `command line`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is not set.
    Default,
    /// The configuration file.
    File {
        /// The line, from 1.
        line: Option<usize>,
    },
    /// The environment variable of this name.
    Environment(String),
    /// A flag.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line: Some(line) } => write!(f, "file:{line}"),
            Self::File { line: None } => f.write_str("file"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One key with the value that counts. Secrets are in files of their own, whose names are shown and
/// whose contents are not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effective {
    /// The key, as `section.key`.
    pub key: &'static Key,
    /// Its value as it could stand in a file; none if the key is not set and has no default.
    pub value: Option<Value>,
    /// Where it came from.
    pub from: Origin,
    /// What it was lowered from, to fit below the limit of open files.
    pub lowered_from: Option<usize>,
}

/// Every key with the value that counts, in the order of the reference.
pub fn effective(config: &Config, origins: &Origins) -> Vec<Effective> {
    // Strings, numbers, lists and tables: TOML can hold every value.
    let values = Table::try_from(config).unwrap_or_default();
    let entry = |key: &'static Key| {
        let (section, name) = key.split();
        let value = values.get(section).and_then(|section| section.get(name));
        Effective {
            key,
            value: value.cloned().map(redacted),
            from: origins.origin(key.path),
            lowered_from: origins.lowered.get(key.path).copied(),
        }
    };
    keys().map(entry).collect()
}

/// No URL with a password passes the check, so none should be here; none shall be shown if that
/// changes.
fn redacted(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains("://") && text.contains('@') => {
            Value::String("redacted".to_owned())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(redacted).collect()),
        value => value,
    }
}

impl Serialize for Key {
    /// As its path.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.path)
    }
}
