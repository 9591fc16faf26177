//! Links between the project's pages: the file has to be there, and the heading in it.

use std::fs;
use std::path::Path;

use super::Bench;
use super::report::{Report, none};
use crate::Result;

const PAGES: [&str; 9] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "tests/README.md",
    "deploy/README.md",
    "deploy/reference/commands.md",
    "deploy/reference/configuration.md",
    "deploy/reference/metrics.md",
    "deploy/reference/problems.md",
];

/// Every page.
pub(crate) fn check(bench: &Bench, report: &mut Report) {
    for page in PAGES {
        report.check(&format!("{page}: its links lead somewhere"), || {
            let file = bench.root.join(page);
            let folder = file.parent().unwrap_or(&bench.root);
            let text = fs::read_to_string(&file)?;
            let mut broken = Vec::new();
            for link in links(&text) {
                if !holds(folder, &text, link)? {
                    broken.push(link.to_owned());
                }
            }
            none(&broken)
        });
    }
}

/// The targets of `[words](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// Those that lead out of the project are not followed: that needs a network, and is another's promise.
fn holds(folder: &Path, page: &str, link: &str) -> Result<bool> {
    if link.contains("://") || link.starts_with("mailto:") {
        return Ok(true);
    }
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = folder.join(path);
    if !target.exists() {
        return Ok(false);
    }
    if heading.is_empty() {
        return Ok(true);
    }
    let text = if path.is_empty() {
        page.to_owned()
    } else {
        fs::read_to_string(target)?
    };
    let mut headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    Ok(headings.any(|line| anchor(line.trim_start_matches('#')) == heading))
}

/// A heading as GitHub makes its anchor: small letters, hyphens for spaces, no other signs.
fn anchor(heading: &str) -> String {
    let letters = heading.trim().to_lowercase();
    let letters = letters
        .chars()
        .map(|letter| if letter == ' ' { '-' } else { letter });
    letters
        .filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_headings() {
        let page = "# What, and why?\n[a](#what-and-why) [b](#gone) [c](no-such-file.md) [d](https://x.example)";
        let judged: Vec<_> = links(page)
            .map(|link| holds(Path::new("/nowhere/.."), page, link).unwrap_or(false))
            .collect();
        assert_eq!(
            judged,
            [false, false, false, true],
            "a page in a folder that is not there"
        );
        let there: Vec<_> = links(page)
            .map(|link| holds(Path::new("/"), page, link).unwrap())
            .collect();
        assert_eq!(there, [true, false, false, true]);
    }
}
