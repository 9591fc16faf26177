//! `cargo xtask prove`: runs the tests that show what is promised, with more of everything than the
//! gate has time for, and writes what came of it as a page. What nothing shows stands there too.

mod outcomes;
mod rows;

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::command::{cargo, output, run_lines};
use crate::{FEATURES, Result};

use self::outcomes::Outcomes;
use self::rows::{ROWS, Row};

const PAGE: &str = "deploy/reference/PROVED.md";

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// List the rows and their tests, and run nothing
    #[arg(long)]
    list: bool,
    /// Exchanges of the storm
    #[arg(long, default_value_t = 100_000)]
    storm: u32,
}

/// Runs the tests of all rows and writes the page.
///
/// # Errors
/// When a test failed or is not there; the page is written all the same, and says so.
pub(crate) fn run(options: &Options) -> Result {
    if options.list {
        for row in ROWS {
            println!("{:4} {}\n     {}", row.id, row.claim, row.tests.join(" "));
        }
        return Ok(());
    }
    let mut command = cargo(["test", "--workspace", "--all-targets", "--no-fail-fast"]);
    command.args(["--features", FEATURES, "--", "--show-output"]);
    command.args(ROWS.iter().flat_map(|row| row.tests));
    command.env("CARGO_TERM_COLOR", "never");
    command.env("STORM_EXCHANGES", options.storm.to_string());
    let mut outcomes = Outcomes::default();
    run_lines(&mut command, |line| {
        println!("{line}");
        outcomes.take(line);
    })?;
    fs::write(PAGE, page(&outcomes)?)?;
    println!("written: {PAGE}");
    let bad: Vec<&str> = ROWS
        .iter()
        .filter(|row| verdict(row, &outcomes).is_err())
        .map(|row| row.id)
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(format!("not shown: {}", bad.join(", ")).into())
}

/// Whether the tests of a row passed; without tests it is only not measured.
fn verdict(row: &Row, outcomes: &Outcomes) -> Result<&'static str, &'static str> {
    let tests = || row.tests.iter().map(|name| outcomes.of(name));
    if tests().flatten().any(|outcome| outcome.failed > 0) {
        return Err("**FAILED**");
    }
    if tests().any(|outcome| outcome.is_none_or(|outcome| outcome.passed == 0)) {
        return Err("**not run**");
    }
    match (row.tests.is_empty(), row.not_measured.is_empty()) {
        (true, _) => Ok("not shown"),
        (false, true) => Ok("shown"),
        (false, false) => Ok("in part"),
    }
}

fn page(outcomes: &Outcomes) -> Result<String> {
    let said = |program: &str, arguments: &[&str]| -> Result<String> {
        let text = output(Command::new(program).args(arguments), b"")?;
        Ok(text.trim().to_owned())
    };
    let commit = said("git", &["rev-parse", "--short", "HEAD"])?;
    let date = said("date", &["-u", "+%Y-%m-%d"])?;
    let machine = said("uname", &["-srm"])?;
    let cores = std::thread::available_parallelism()?;
    let mut page = format!(
        "# What was shown\n\nWritten by `cargo xtask prove` on {date} at {commit}, on {cores} cores, {machine}, by a debug build. \
         \"In part\": the tests passed, and what they leave out is named.\n\n\
         | | claim | | tests | figures | not measured |\n|---|---|---|---|---|---|\n"
    );
    for row in ROWS {
        let tests: Vec<String> = row.tests.iter().map(|name| format!("`{name}`")).collect();
        let figures = row.tests.iter().filter_map(|name| outcomes.of(name));
        let figures: Vec<&str> = figures
            .flat_map(|outcome| outcome.figures.iter().map(|figure| &**figure))
            .collect();
        let (Ok(verdict) | Err(verdict)) = verdict(row, outcomes);
        writeln!(
            page,
            "| {} | {} | {verdict} | {} | {} | {} |",
            row.id,
            row.claim,
            tests.join(" "),
            figures.join("; "),
            row.not_measured
        )?;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn sources(folder: &Path, all: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }

    /// A name that no test has would be filtered out in silence.
    #[test]
    fn our_own_rows_name_tests_that_are_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut all = String::new();
        for folder in ["crates", "tests"] {
            sources(&root.join(folder), &mut all);
        }
        for row in ROWS {
            assert!(!row.tests.is_empty() || !row.not_measured.is_empty());
            for name in row.tests {
                assert!(all.contains(&format!("fn {name}(")), "{}: {name}", row.id);
            }
        }
    }

    #[test]
    fn what_failed_or_did_not_run_is_never_shown() {
        let row = Row {
            id: "R0",
            claim: "it holds",
            tests: &["holds"],
            not_measured: "",
        };
        let mut outcomes = Outcomes::default();
        assert_eq!(verdict(&row, &outcomes), Err("**not run**"));
        outcomes.take("test a::holds ... ok");
        assert_eq!(verdict(&row, &outcomes), Ok("shown"));
        outcomes.take("test b::holds ... FAILED");
        assert_eq!(verdict(&row, &outcomes), Err("**FAILED**"));
    }
}
