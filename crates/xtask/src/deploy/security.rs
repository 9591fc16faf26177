//! The security page: every threat in it names a test that shows the defence, or says that there is
//! none.
//!
//! A row ends in links whose words are `module::name`, so that the page cannot promise what no
//! test checks: the test has to be in that file, and must not be one that is left out.

use std::fs;
use std::path::Path;

use super::Bench;
use super::pages::{Link, links};
use super::report::{Report, none};
use crate::Result;

/// The page, below `deploy/`.
const PAGE: &str = "SECURITY.md";
/// What a row says instead of a test.
const NOT_DEFENDED: &str = "not defended: ";
/// Where checks are that are not cargo's tests.
const CHECKS: &str = "crates/xtask/src/";
/// Fewer rows mean that the tables were not found.
const ROWS: usize = 30;

/// Every row of every table.
pub(super) fn check(bench: &Bench, report: &mut Report) {
    report.check(
        "deploy/SECURITY.md: every defence is shown by a test",
        || none(&complaints(&bench.root.join("deploy"))?),
    );
}

/// What is wrong with the page in this folder.
fn complaints(folder: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(folder.join(PAGE))?;
    let (mut rows, mut complaints) = (0, Vec::new());
    for (threat, shown) in text.lines().filter_map(row) {
        rows += 1;
        complaints.extend(judge(folder, threat, shown));
    }
    if rows < ROWS {
        complaints.push(format!("only {rows} rows"));
    }
    Ok(complaints)
}

/// Threat and test of a row, unless it is a heading or of a table about something else.
fn row(line: &str) -> Option<(&str, &str)> {
    let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let cells: Vec<&str> = cells.split(" | ").collect();
    match cells[..] {
        [threat, _, shown] if shown != "shown by" => Some((threat, shown)),
        _ => None,
    }
}

fn judge(folder: &Path, threat: &str, shown: &str) -> Vec<String> {
    if shown.starts_with(NOT_DEFENDED) {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    let mut tests = 0;
    for link in links(shown) {
        if let Some((module, name)) = link.words.trim_matches('`').split_once("::") {
            tests += 1;
            let fault = fault_of(folder, &link, module, name);
            complaints.extend(fault.map(|fault| format!("{threat}: {}: {fault}", link.words)));
        } else if link.target.contains(CHECKS) {
            tests += 1;
        }
    }
    if tests == 0 {
        complaints.push(format!("{threat}: no test, and not said to be undefended"));
    }
    complaints
}

/// What is wrong with a test that is named.
fn fault_of(folder: &Path, link: &Link<'_>, module: &str, name: &str) -> Option<&'static str> {
    let file = folder.join(link.target);
    let Ok(text) = fs::read_to_string(&file) else {
        return Some("no such file");
    };
    if !is_module(Path::new(link.target), module) {
        return Some("the file is another module");
    }
    test_fault(&text, name)
}

/// `a/gate.rs` and `a/gate/tests.rs` are both `gate`.
fn is_module(file: &Path, module: &str) -> bool {
    let stem = file.file_stem();
    let folder = file.parent().and_then(Path::file_name);
    let names = [
        stem,
        folder.filter(|_| stem.is_some_and(|stem| stem == "tests" || stem == "main")),
    ];
    names.into_iter().flatten().any(|name| name == module)
}

/// What is wrong with the test `name` in a file.
fn test_fault(text: &str, name: &str) -> Option<&'static str> {
    let begins = format!("fn {name}(");
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let at = lines.iter().position(|line| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.starts_with(&begins)
    });
    let Some(at) = at else {
        return Some("no such function");
    };
    let above = lines.iter().take(at).rev();
    let attributes: Vec<_> = above
        .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
        .collect();
    let marked = |mark| attributes.iter().any(|line| line.starts_with(mark));
    if marked("#[ignore") {
        Some("it is left out")
    } else if marked("#[test]") || marked("#[tokio::test") {
        None
    } else {
        Some("no test")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_told_from_what_is_none() {
        let text = "\
            #[test]\n/// Says.\nfn one() {}\n    #[tokio::test(flavor = \"multi_thread\")]\n    async fn two() {}\n\
            fn three() {}\n#[test]\n#[ignore = \"slow\"]\nfn four() {}\n";
        assert_eq!(test_fault(text, "one"), None);
        assert_eq!(test_fault(text, "two"), None);
        assert_eq!(test_fault(text, "three"), Some("no test"));
        assert_eq!(test_fault(text, "four"), Some("it is left out"));
        assert_eq!(test_fault(text, "on"), Some("no such function"));
    }

    #[test]
    fn rows_end_in_what_shows_them() {
        assert_eq!(row("| a | b | c |"), Some(("a", "c")));
        assert_eq!(row("| threat | defence | shown by |"), None);
        assert_eq!(row("|---|---|---|"), None);
        assert_eq!(row("| who | may |"), None);
    }

    #[test]
    fn a_row_without_a_test_has_to_say_so() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/deploy");
        let judge = |shown: &str| judge(&here, "threat", shown);
        let ours = "rows_end_in_what_shows_them";
        assert!(judge("not defended: no one asked; ask").is_empty());
        assert!(judge("[systemd](../../../crates/xtask/src/deploy/systemd.rs)").is_empty());
        assert!(judge(&format!("[`security::{ours}`](security.rs)")).is_empty());
        for shown in [
            "nothing",
            "[words](security.rs)",
            &format!("[`links::{ours}`](security.rs)"),
            &format!("[`security::{ours}`](gone.rs)"),
            "[`security::gone`](security.rs)",
        ] {
            assert_eq!(judge(shown).len(), 1, "{shown}");
        }
    }

    #[test]
    fn our_own_page_holds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        let complaints = complaints(&folder).unwrap();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }

    #[test]
    fn a_module_is_its_file_or_its_folder() {
        for (file, module, is) in [
            ("a/gate.rs", "gate", true),
            ("a/gate/tests.rs", "gate", true),
            ("a/gate/tests.rs", "tests", true),
            ("a/gate/spellings.rs", "gate", false),
        ] {
            assert_eq!(is_module(Path::new(file), module), is, "{file}");
        }
    }
}
