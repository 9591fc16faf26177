//! What was checked, and what came of it.

use crate::Result;
use crate::tally::Counts;

/// Counts checks, each printed as it ends.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What the names of the checks that are made contain.
    only: Option<String>,
    counts: Counts,
    failed: Vec<String>,
}

impl Report {
    /// One that makes the checks whose names contain `only`, and all without it.
    pub(crate) fn of(only: Option<String>) -> Self {
        Self {
            only,
            ..Self::default()
        }
    }

    /// Makes one check; what it gives if it holds. One that was not asked for gives nothing.
    pub(crate) fn check<T>(&mut self, name: &str, check: impl FnOnce() -> Result<T>) -> Option<T> {
        if self.only.as_ref().is_some_and(|only| !name.contains(only)) {
            return None;
        }
        match check() {
            Ok(outcome) => {
                println!("deploy: {name} ... ok");
                self.counts.passed += 1;
                Some(outcome)
            }
            Err(error) => {
                println!("deploy: {name} ... FAILED\n{error}\n");
                self.counts.failed += 1;
                self.failed.push(name.to_owned());
                None
            }
        }
    }

    /// The figures.
    ///
    /// # Errors
    /// Names the checks that failed.
    pub(crate) fn close(self) -> Result<Counts> {
        println!("deploy: {}", self.counts);
        if self.failed.is_empty() {
            return Ok(self.counts);
        }
        Err(format!("deploy: {}", self.failed.join("; ")).into())
    }
}

/// All complaints as one error, none as success.
pub(crate) fn none(complaints: &[String]) -> Result {
    if complaints.is_empty() {
        return Ok(());
    }
    Err(complaints.join("\n").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_enough() {
        let mut report = Report::default();
        assert_eq!(report.check("one", || Ok(7)), Some(7));
        assert_eq!(report.check("two", || none(&["odd".to_owned()])), None);
        assert_eq!(report.close().unwrap_err().to_string(), "deploy: two");
        assert_eq!(Report::default().close().unwrap(), Counts::default());
    }

    #[test]
    fn only_what_was_asked_for_is_made() {
        let mut report = Report::of(Some("helm".to_owned()));
        assert_eq!(report.check("helm edge: lint", || Ok(1)), Some(1));
        assert_eq!(
            report.check("systemd: odd", || none(&["odd".to_owned()])),
            None
        );
        assert_eq!(report.close().unwrap().passed, 1);
    }
}
