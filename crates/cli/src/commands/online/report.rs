//! What came of each step, in words.

use std::fmt::{self, Display};

/// What came of one step.
enum Outcome {
    Ok,
    /// It works, but an operator may want to look.
    Odd(String),
    /// With what to do about it.
    Failed(String),
    Skipped,
}

/// What came of the steps so far.
#[derive(Default)]
pub(super) struct Report(Vec<(&'static str, Outcome, String)>);

impl Report {
    pub(super) fn ok(&mut self, step: &'static str, what: impl Display) {
        self.0.push((step, Outcome::Ok, what.to_string()));
    }

    pub(super) fn odd(&mut self, step: &'static str, what: impl Display, look: impl Display) {
        let odd = Outcome::Odd(look.to_string());
        self.0.push((step, odd, what.to_string()));
    }

    pub(super) fn failed(&mut self, step: &'static str, what: impl Display, cure: impl Display) {
        let failed = Outcome::Failed(cure.to_string());
        self.0.push((step, failed, what.to_string()));
    }

    pub(super) fn skipped(&mut self, step: &'static str, why: impl Display) {
        self.0.push((step, Outcome::Skipped, why.to_string()));
    }

    /// Whether no step failed.
    pub(super) fn is_good(&self) -> bool {
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
        !self.0.iter().any(|(_, outcome, _)| failed(outcome))
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "online:")?;
        for (step, outcome, what) in &self.0 {
            let (word, cure) = match outcome {
                Outcome::Ok => ("ok", None),
                Outcome::Odd(look) => ("warning", Some(look)),
                Outcome::Failed(cure) => ("FAILED", Some(cure)),
                Outcome::Skipped => ("skipped", None),
            };
            writeln!(f, "  {word:<8} {step:<10} {what}")?;
            if let Some(cure) = cure {
                writeln!(f, "  {:<8} {:<10} {cure}", "", "")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_line_and_each_failure_says_what_to_do() {
        let mut report = Report::default();
        report.ok("name", "sm.example.com: 10.0.0.2");
        report.odd("API", "404 without a word of the API", "check node_group");
        assert!(report.is_good());
        report.failed("TCP", "10.0.0.2:5080: connection refused", "start it");
        report.skipped("lookup", "no connection");
        assert!(!report.is_good());
        insta::assert_snapshot!(report.to_string(), @r"
        online:
          ok       name       sm.example.com: 10.0.0.2
          warning  API        404 without a word of the API
                              check node_group
          FAILED   TCP        10.0.0.2:5080: connection refused
                              start it
          skipped  lookup     no connection
        ");
    }
}
