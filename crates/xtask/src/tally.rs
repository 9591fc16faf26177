//! Reads what cargo's test runners print: which binary ran, and how its tests ended.

use std::fmt;
use std::ops::AddAssign;

/// How many tests ended which way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Ran and held.
    pub(crate) passed: u32,
    /// Ran and did not.
    pub(crate) failed: u32,
    /// Did not run: ignored, or left out by a filter.
    pub(crate) skipped: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// What one run of `cargo test` printed, binary by binary.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    binary: String,
    reports: Vec<(String, Counts)>,
}

impl Tally {
    /// Takes one line of output.
    pub(crate) fn take(&mut self, line: &str) {
        if let Some(binary) = started(line) {
            binary.clone_into(&mut self.binary);
        } else if let Some(counts) = result(line) {
            self.reports.push((self.binary.clone(), counts));
        }
    }

    /// The sum over the binaries whose name `wanted` accepts.
    pub(crate) fn sum(&self, wanted: impl Fn(&str) -> bool) -> Counts {
        let mut sum = Counts::default();
        for (_, counts) in self.reports.iter().filter(|(binary, _)| wanted(binary)) {
            sum += *counts;
        }
        sum
    }
}

/// The binary in cargo's `Running tests/NAME.rs (target/debug/deps/NAME-0123456789abcdef)` or
/// `Doc-tests name`.
fn started(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if let Some(library) = line.strip_prefix("Doc-tests ") {
        return Some(library.trim_end());
    }
    let (_, path) = line.strip_prefix("Running ")?.rsplit_once('(')?;
    let file = path.strip_suffix(')')?.rsplit('/').next()?;
    Some(file.rsplit_once('-').map_or(file, |(name, _hash)| name))
}

/// The figures in libtest's `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered
/// out; …`.
fn result(line: &str) -> Option<Counts> {
    let (_, figures) = line
        .trim()
        .strip_prefix("test result: ")?
        .split_once(". ")?;
    let figure = |name: &str| {
        figures
            .split("; ")
            .find_map(|part| part.strip_suffix(name)?.trim().parse::<u32>().ok())
    };
    Some(Counts {
        passed: figure(" passed")?,
        failed: figure(" failed")?,
        skipped: figure(" ignored")? + figure(" filtered out").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
   Compiling whipstitch-tests v0.1.0 (/src/tests)
     Running unittests src/lib.rs (target/debug/deps/whipstitch_signaling-05b2c4d6e8f01234)

running 2 tests
test route::tests::whip ... ok
test route::tests::slow ... ignored

test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/browser.rs (/t/debug/deps/browser-aaaaaaaaaaaaaaaa)
test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 4 filtered out; finished in 12.31s
   Doc-tests whipstitch_proxy
test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.02s
";

    fn tally() -> Tally {
        let mut tally = Tally::default();
        OUTPUT.lines().for_each(|line| tally.take(line));
        tally
    }

    #[test]
    fn every_report_is_counted() {
        let all = tally().sum(|_| true);
        assert_eq!(all.to_string(), "8 passed, 3 failed, 5 skipped");
    }

    #[test]
    fn a_report_belongs_to_the_binary_named_before_it() {
        let browser = tally().sum(|binary| binary == "browser");
        assert_eq!(browser.to_string(), "2 passed, 3 failed, 4 skipped");
        let library = tally().sum(|binary| binary == "whipstitch_signaling");
        assert_eq!(library.to_string(), "1 passed, 0 failed, 1 skipped");
        let doc = tally().sum(|binary| binary == "whipstitch_proxy");
        assert_eq!(doc.passed, 5);
    }

    #[test]
    fn other_lines_are_not_reports() {
        assert_eq!(result("test result::parses ... ok"), None);
        assert_eq!(
            result("test result: ok. many passed; 0 failed; 0 ignored"),
            None
        );
        assert_eq!(started("Running late (again"), None);
        assert_eq!(started("running 3 tests"), None);
    }
}
