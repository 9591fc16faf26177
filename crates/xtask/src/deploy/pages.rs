//! The project's pages and sources, and the files that they name.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;

/// Folders whose files are named by their whole path.
const ROOTS: [&str; 3] = ["crates/", "deploy/", "tests/"];

/// A link in a page: `[words](target)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link<'t> {
    /// What is read.
    pub(super) words: &'t str,
    /// Where it leads.
    pub(super) target: &'t str,
}

/// All links of a text, in order.
pub(super) fn links(text: &str) -> impl Iterator<Item = Link<'_>> {
    text.match_indices("](").filter_map(|(at, _)| {
        let (before, after) = (text.get(..at)?, text.get(at + 2..)?);
        let (target, _) = after.split_once(')')?;
        let words = before.rsplit_once('[').map_or("", |(_, words)| words);
        Some(Link { words, target })
    })
}

/// The files with this extension, in order; nothing hidden, nothing built.
pub(super) fn files(root: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || name == "target" || name == "node_modules" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Paths from the workspace's root that a text names; `NAME` is a placeholder.
pub(super) fn paths(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|sign: char| !sign.is_ascii_alphanumeric() && !"/._-#".contains(sign));
    let words = words.map(|word| word.trim_end_matches(['.', '/']));
    words.filter(|word| {
        let file = word.rsplit('/').next().unwrap_or_default();
        ROOTS.iter().any(|root| word.starts_with(root))
            && file.contains('.')
            && !word.contains("NAME")
    })
}

/// A heading as GitHub makes its anchor: small letters, hyphens for spaces, no other signs.
pub(super) fn anchor(heading: &str) -> String {
    let letters = heading.trim().to_lowercase();
    let letters = letters
        .chars()
        .map(|letter| if letter == ' ' { '-' } else { letter });
    letters
        .filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter))
        .collect()
}

/// The anchors of a page.
pub(super) fn anchors(page: &str) -> impl Iterator<Item = String> {
    let mut fenced = false;
    let headings = page.lines().filter_map(move |line| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        // A comment in a shell's example looks like a heading.
        let heading = line.strip_prefix('#').filter(|_| !fenced)?;
        Some(heading.trim_start_matches('#'))
    });
    headings.map(anchor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_words_and_a_target() {
        let page = "a [b](c.md#d), [`e`](../f.rs) and (g) [h]";
        let found: Vec<_> = links(page).map(|link| (link.words, link.target)).collect();
        assert_eq!(found, [("b", "c.md#d"), ("`e`", "../f.rs")]);
    }

    #[test]
    fn paths_begin_at_the_root_and_end_in_a_file() {
        let text = "see `crates/a/b.rs`, tests/README.md. deploy/x/ (deploy/NAME.md) ../tests/a.rs#b, deploy/p.md#q";
        let found: Vec<_> = paths(text).collect();
        assert_eq!(found, ["crates/a/b.rs", "tests/README.md", "deploy/p.md#q"]);
    }

    #[test]
    fn what_is_in_a_fence_is_no_heading() {
        let page = "# What, and why?\n```sh\n# not this\n```\n## Two";
        let found: Vec<_> = anchors(page).collect();
        assert_eq!(found, ["what-and-why", "two"]);
    }
}
