//! One mistake, the place where it was made, and all of them together.

use std::{cmp::Ordering, fmt};

/// Most mistakes that are printed; the rest is counted.
const PRINTED: usize = 100;

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingSource {
    /// In the configuration file, under the name it was opened by.
    File {
        /// The name of the file.
        name: String,
        /// The line, from 1; none if the mistake is that something is missing.
        line: Option<usize>,
    },
    /// In an environment variable of this name.
    Environment(String),
    /// In a flag, named with its dashes.
    Flag(String),
    /// Nowhere: it was left out, and there is no file.
    Unset,
}

/// What is wrong with one setting. Displayed as `file:line: key: what`, `VARIABLE: what` or
/// `--flag: what`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub place: SettingSource,
    /// The key, as `section.key`; empty where the file as a whole is meant.
    pub key: String,
    /// What is wrong and what is allowed.
    pub what: String,
}

impl Mistake {
    pub(super) fn new(
        place: SettingSource,
        key: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self {
            place,
            key: key.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            SettingSource::File { name, line } => {
                write!(f, "{name}:")?;
                if let Some(line) = line {
                    write!(f, "{line}:")?;
                }
                write!(f, " ")?;
            }
            // The key says less than the name that the operator wrote.
            SettingSource::Environment(name) | SettingSource::Flag(name) => {
                return write!(f, "{name}: {}", self.what);
            }
            SettingSource::Unset => {}
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

/// Why there is no configuration: every mistake, in the order of the file, then of the environment
/// and the flags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    /// What keeps Whipstitch from starting; never empty.
    pub mistakes: Vec<Mistake>,
    /// What is odd but no reason to stop.
    pub warnings: Vec<Mistake>,
}

impl Mistakes {
    /// Sorts both lists by file and line.
    pub fn new(mut mistakes: Vec<Mistake>, warnings: Vec<Mistake>) -> Self {
        mistakes.sort_by(in_reading_order);
        Self { mistakes, warnings }
    }
}

/// By place; what is missing from the file comes after what is wrong in it.
fn in_reading_order(a: &Mistake, b: &Mistake) -> Ordering {
    let line = |mistake: &Mistake| match mistake.place {
        SettingSource::File { line, .. } => line.unwrap_or(usize::MAX),
        _ => 0,
    };
    let rank = |mistake: &Mistake| match mistake.place {
        SettingSource::File { .. } => 0,
        SettingSource::Environment(_) => 1,
        SettingSource::Flag(_) => 2,
        SettingSource::Unset => 3,
    };
    rank(a).cmp(&rank(b)).then(line(a).cmp(&line(b)))
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in self.warnings.iter().take(PRINTED) {
            writeln!(f, "warning: {warning}")?;
        }
        for mistake in self.mistakes.iter().take(PRINTED) {
            writeln!(f, "{mistake}")?;
        }
        if let Some(more) = self
            .mistakes
            .len()
            .checked_sub(PRINTED)
            .filter(|more| *more > 0)
        {
            writeln!(f, "... and {more} more")?;
        }
        match self.mistakes.len() {
            1 => write!(f, "1 mistake in the configuration"),
            count => write!(f, "{count} mistakes in the configuration"),
        }
    }
}
