//! `cargo xtask words`: comments, texts and pages are plain English, at most 100 columns wide.
//!
//! [`terms`] lists the words of the old style with what to write instead. They are counted in
//! comments and string literals of Rust, in pages, and in whole files of the other languages; code
//! between backticks and in fences, literals of one word (values of settings) and generated files
//! are left out. A word counts where its line is, a phrase where it
//! begins; a line break inside a phrase does not hide it.

mod prose;
mod rust;
mod terms;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

use crate::Result;
use prose::Line;

/// How many words of the old style are left in the whole repository. It may only fall.
const CEILING: usize = 0;

/// The widest line of a comment or of prose.
const COLUMNS: usize = 100;

/// Kinds of files that are read, by the end of the name.
const READ: [&str; 14] = [
    "rs", "md", "toml", "yaml", "yml", "tpl", "html", "js", "mjs", "conf", "cfg", "service",
    "socket", "json",
];

/// What others wrote, or a program.
const LEFT_OUT: [&str; 4] = ["target", "node_modules", "pinned", "golden"];

/// Generated from what is read elsewhere.
const GENERATED: [&str; 3] = [
    "deploy/helm/whipstitch/files",
    "deploy/reference",
    "deploy/whipstitch.toml",
];

/// Something to write differently.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    file: PathBuf,
    line: usize,
    advice: String,
}

/// Prints every finding, and judges their number.
///
/// # Errors
/// There are more words than the ceiling allows, or a line is too wide.
pub(crate) fn run() -> Result {
    let found = search()?;
    for one in found.words.iter().chain(&found.wide) {
        println!("{}", shown(one));
    }
    found.judge()
}

/// Judges the number of findings, and names them only if there are too many.
///
/// # Errors
/// As [`run`].
pub(crate) fn check() -> Result {
    let found = search()?;
    found.judge().map_err(|error| {
        let all: Vec<String> = found.words.iter().chain(&found.wide).map(shown).collect();
        format!("{}\n{error}", all.join("\n")).into()
    })
}

fn shown(finding: &Finding) -> String {
    format!(
        "{}:{}: {}",
        finding.file.display(),
        finding.line,
        finding.advice
    )
}

#[derive(Debug, Default)]
struct Findings {
    words: Vec<Finding>,
    wide: Vec<Finding>,
}

impl Findings {
    fn judge(&self) -> Result {
        let (words, wide) = (self.words.len(), self.wide.len());
        let mut areas: BTreeMap<String, usize> = BTreeMap::new();
        for one in &self.words {
            let area: Vec<_> = one
                .file
                .iter()
                .take(2)
                .map(|part| part.to_string_lossy())
                .collect();
            *areas.entry(area.join("/")).or_default() += 1;
        }
        let areas: Vec<String> = areas
            .iter()
            .map(|(area, count)| format!("{area} {count}"))
            .collect();
        let summary = format!(
            "{words} words of the old style, at most {CEILING}; {wide} lines wider than {COLUMNS} \
             columns, none allowed\n{}",
            areas.join(", ")
        );
        if words > CEILING || wide > 0 {
            return Err(summary.into());
        }
        println!("{}", summary.trim_end());
        Ok(())
    }
}

fn search() -> Result<Findings> {
    let metadata = MetadataCommand::new().no_deps().exec()?;
    let root = metadata.workspace_root.as_std_path();
    let mut found = Findings::default();
    for file in files(root)? {
        let text =
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file);
        if GENERATED.iter().any(|folder| name.starts_with(folder)) {
            continue;
        }
        found.read(name, &text);
    }
    Ok(found)
}

impl Findings {
    fn read(&mut self, file: &Path, text: &str) {
        let finding = |line: usize, advice: String| Finding {
            file: file.to_owned(),
            line,
            advice,
        };
        let kind = file
            .extension()
            .and_then(|kind| kind.to_str())
            .unwrap_or_default();
        let lines: Vec<Line> = match kind {
            "rs" => rust::lines(text),
            "md" => prose::page(text),
            _ => prose::plain(text),
        };
        // The list of the words itself, and the tests about it.
        if !file.starts_with("crates/xtask/src/words") {
            let words = terms::find(&lines).into_iter();
            self.words
                .extend(words.map(|(line, advice)| finding(line, advice)));
        }
        let wide = lines
            .iter()
            .filter(|line| line.is_wrapped && line.is_wider_than(COLUMNS));
        self.wide.extend(wide.map(|line| {
            let columns = line.columns;
            finding(
                line.number,
                format!("{columns} columns, at most {COLUMNS}: wrap the paragraph"),
            )
        }));
    }
}

fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || LEFT_OUT.contains(&name.as_ref()) {
                continue;
            }
            let kind = path
                .extension()
                .and_then(|kind| kind.to_str())
                .unwrap_or_default();
            if path.is_dir() {
                folders.push(path);
            } else if READ.contains(&kind) && name != "package-lock.json" {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(file: &str, text: &str) -> Vec<String> {
        let mut found = Findings::default();
        found.read(Path::new(file), text);
        found.words.iter().chain(&found.wide).map(shown).collect()
    }

    #[test]
    fn a_word_is_named_with_its_place_and_what_to_write() {
        let code = "/// Whoever asks\nfn whoever() { say(\"nobody\", \"nobody asks\") }\n";
        assert_eq!(
            advice("a.rs", code),
            [
                "a.rs:1: `whoever`: name the agent: the client, the node, the manager, the task",
                "a.rs:2: `nobody`: no client, no node, none; or name the agent",
            ]
        );
    }

    #[test]
    fn a_phrase_is_found_across_lines_and_code_is_not() {
        let page = "It goes\non.\n\n`whoever` is code.\n```\nnobody\n```\nSingle flight, in flight, one flight.\n";
        let found = advice("a.md", page);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.md:1: `goes on`"), "{found:?}");
        assert!(found[1].starts_with("a.md:8: `flight`"), "{found:?}");
    }

    #[test]
    fn a_comment_may_be_100_columns_wide() {
        let fits = format!("// {} b\n", "a".repeat(95));
        let wide = format!("// {} bb\n", "a".repeat(95));
        let table = format!("| {} | b |\n", "a".repeat(120));
        assert!(advice("a.rs", &fits).is_empty());
        assert_eq!(
            advice("a.rs", &wide),
            ["a.rs:1: 101 columns, at most 100: wrap the paragraph"]
        );
        assert!(advice("a.md", &table).is_empty());
    }

    #[test]
    fn our_own_workspace_holds() {
        check().unwrap();
    }
}
