//! Text for eyes: colour, tables, ages and sizes. Names that clients chose are shown without
//! control characters, since a terminal would obey them.

mod human;
mod style;
mod table;

use std::ffi::OsString;

pub(super) use self::{
    human::{age, bytes, clean, clock, count, date, millis, rate, shortly},
    style::{Look, or_dash},
    table::{Column, footer, table},
};

/// How text for eyes looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// Without colour, for files and other programs.
    pub fn plain() -> Self {
        Self::default()
    }

    /// With colour on a terminal, unless `NO_COLOR` says otherwise (<https://no-color.org>) or the
    /// terminal is dumb.
    pub fn of(is_terminal: bool, environment: &[(OsString, OsString)]) -> Self {
        let set = |name: &str, holds: fn(&OsString) -> bool| {
            environment
                .iter()
                .any(|(key, value)| key == name && holds(value))
        };
        let refused =
            set("NO_COLOR", |value| !value.is_empty()) || set("TERM", |value| value == "dumb");
        Self {
            colour: is_terminal && !refused,
        }
    }

    /// Headings.
    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What matters less.
    pub(super) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// All is well.
    pub(super) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Worth a look.
    pub(super) fn odd(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Something is wrong.
    pub(super) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let colour = |terminal, environment: &[_]| Style::of(terminal, environment).colour;
        assert!(colour(true, &[]));
        assert!(colour(true, &[pair("NO_COLOR", ""), pair("TERM", "xterm")]));
        assert!(!colour(false, &[]));
        assert!(!colour(true, &[pair("NO_COLOR", "1")]));
        assert!(!colour(true, &[pair("TERM", "dumb")]));
        assert_eq!(Style { colour: true }.bad("x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(Style::plain().bad("x"), "x");
    }
}
