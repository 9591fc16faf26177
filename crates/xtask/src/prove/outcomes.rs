//! Reads what libtest prints with `--show-output`: how each test ended, and the figures it gives.

use std::collections::BTreeMap;

/// What begins a line that a test prints for the page.
const FIGURE: &str = "proved: ";

/// How the tests of one name ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) figures: Vec<String>,
}

/// Outcomes by the name of the function, without its modules.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    by_name: BTreeMap<String, Outcome>,
    /// Whose output is being read.
    shown: Option<String>,
}

impl Outcomes {
    /// Takes one line.
    pub(super) fn take(&mut self, line: &str) {
        if let Some((path, result)) = ended(line) {
            let outcome = self.by_name.entry(last(path)).or_default();
            match result {
                "ok" => outcome.passed += 1,
                _ => outcome.failed += 1,
            }
        } else if let Some(path) = shown(line) {
            self.shown = Some(last(path));
        } else if let (Some(figure), Some(name)) = (line.strip_prefix(FIGURE), &self.shown) {
            let outcome = self.by_name.entry(name.clone()).or_default();
            outcome.figures.push(figure.to_owned());
        }
    }

    /// Of the tests with this name.
    pub(super) fn of(&self, name: &str) -> Option<&Outcome> {
        self.by_name.get(name)
    }
}

/// `test a::b ... ok`.
fn ended(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("test ")?.split_once(" ... ")
}

/// `---- a::b stdout ----`.
fn shown(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

fn last(path: &str) -> String {
    path.rsplit("::").next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_figures_belong_to_their_test() {
        let mut outcomes = Outcomes::default();
        for line in [
            "test storm::holds ... ok",
            "test drain::ends ... FAILED",
            "",
            "---- storm::holds stdout ----",
            "other words",
            "proved: 7 requests",
            "test result: FAILED. 1 passed; 1 failed;",
        ] {
            outcomes.take(line);
        }
        let holds = outcomes.of("holds").unwrap();
        assert_eq!((holds.passed, holds.failed), (1, 0));
        assert_eq!(holds.figures, ["7 requests"]);
        assert_eq!(outcomes.of("ends").unwrap().failed, 1);
        assert_eq!(outcomes.of("other"), None);
    }
}
