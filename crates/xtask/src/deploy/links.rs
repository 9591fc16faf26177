//! Links between the project's pages, and what comments say is there: the file, and the heading in
//! it.

use std::fs;
use std::path::Path;

use super::Bench;
use super::pages::{self, links};
use super::report::{Report, none};
use crate::Result;

/// The page that says what to do about each problem.
const GUIDE: &str = "on-call.md";

/// Every page, and every comment.
pub(super) fn check(bench: &Bench, report: &mut Report) {
    let root = &bench.root;
    let found = report.check("pages are there", || pages::files(root, "md"));
    for file in found.unwrap_or_default() {
        let name = file.strip_prefix(root).unwrap_or(&file).display();
        report.check(&format!("{name}: its links lead somewhere"), || {
            none(&broken(root, &file)?)
        });
    }
    report.check("comments name files and headings that are there", || {
        none(&misleading_comments(root)?)
    });
    report.check(
        "README.md and ARCHITECTURE.md: short, and the map is true",
        || none(&misleading_map(root)?),
    );
    report.check(
        "deploy/on-call.md says what to do about every problem",
        || {
            let guide = bench.read(GUIDE)?;
            none(&untold(&bench.read("reference/problems.md")?, &guide))
        },
    );
}

/// The pages that a newcomer reads first, and how long they may be, in bytes.
const SHORT: [(&str, usize); 2] = [("README.md", 8_192), ("ARCHITECTURE.md", 8_192)];

/// What is wrong with the first pages: too long, or a source that the map names and that is gone.
///
/// The map writes `crate/path` for `crates/crate/src/path`.
fn misleading_map(root: &Path) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (page, most) in SHORT {
        let text = fs::read_to_string(root.join(page))?;
        if text.len() > most {
            wrong.push(format!("{page} has {} bytes, at most {most}", text.len()));
        }
        let rows = text.lines().filter(|line| line.starts_with('|'));
        for path in rows.flat_map(|row| row.split('`').skip(1).step_by(2)) {
            let source = path.split_once('/').filter(|(_, rest)| !rest.is_empty());
            if let Some((name, rest)) = source
                && !root
                    .join("crates")
                    .join(name)
                    .join("src")
                    .join(rest)
                    .exists()
                && !root.join(path).exists()
            {
                wrong.push(format!("{page}: `{path}` is not there"));
            }
        }
    }
    Ok(wrong)
}

/// Links of a page that lead nowhere, and files that it names and that are not there.
fn broken(root: &Path, page: &Path) -> Result<Vec<String>> {
    let (folder, text) = (page.parent().unwrap_or(root), fs::read_to_string(page)?);
    let mut broken = missing(root, &text)?;
    for link in links(&text) {
        if !holds(folder, &text, link.target)? {
            broken.push(format!("[{}]({})", link.words, link.target));
        }
    }
    Ok(broken)
}

/// Files and headings that comments of the code name and that are not there.
fn misleading_comments(root: &Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for file in pages::files(root, "rs")? {
        let text = fs::read_to_string(&file)?;
        let comments = text
            .lines()
            .filter(|line| line.trim_start().starts_with("//"));
        let comments: String = comments.flat_map(|line| [line, "\n"]).collect();
        let lost = missing(root, &comments)?.into_iter();
        broken.extend(lost.map(|path| format!("{}: {path}", file.display())));
    }
    Ok(broken)
}

/// Files and headings that a text names by their path from the root, and that are not there.
fn missing(root: &Path, text: &str) -> Result<Vec<String>> {
    let mut lost = Vec::new();
    for path in pages::paths(text) {
        if !holds(root, "", path)? {
            lost.push(path.to_owned());
        }
    }
    Ok(lost)
}

/// Types of problems that the guide links from none of its tables.
fn untold(problems: &str, guide: &str) -> Vec<String> {
    let types = problems.lines().filter_map(|line| line.strip_prefix("## "));
    let told = |slug: &str| {
        let target = format!("reference/problems.md#{slug}");
        let rows = guide.lines().filter(|line| line.starts_with('|'));
        rows.flat_map(links).any(|link| link.target == target)
    };
    let untold = types.filter(|slug| !told(slug));
    untold.map(|slug| format!("nothing about {slug}")).collect()
}

/// Those that lead out of the project are not followed, which needs a network and is another's
/// promise; but they have to be URLs.
fn holds(folder: &Path, page: &str, target: &str) -> Result<bool> {
    if let Some((scheme, rest)) = target.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let plain = |sign: char| sign.is_ascii_graphic() && !"<>\"`".contains(sign);
        return Ok(matches!(scheme, "https" | "http")
            && host.contains('.')
            && rest.chars().all(plain));
    }
    if let Some(address) = target.strip_prefix("mailto:") {
        return Ok(address.contains('@'));
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let file = folder.join(path);
    if !file.exists() {
        return Ok(false);
    }
    if heading.is_empty() {
        return Ok(true);
    }
    let text = if path.is_empty() {
        page.to_owned()
    } else {
        fs::read_to_string(file)?
    };
    Ok(pages::anchors(&text).any(|anchor| anchor == heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_headings() {
        let page = "# What, and why?\n[a](#what-and-why) [b](#gone) [c](no-such-file.md) [d](https://x.example) [e](htps://x.example) [f](https://x)";
        let judged = |folder: &str| -> Vec<bool> {
            let targets = links(page).map(|link| holds(Path::new(folder), page, link.target));
            targets.map(Result::unwrap).collect()
        };
        assert_eq!(judged("/"), [true, false, false, true, false, false]);
        let gone = "a page in a folder that is not there";
        assert_eq!(judged("/nowhere/..")[..2], [false, false], "{gone}");
    }

    #[test]
    fn a_file_that_is_named_has_to_be_there() {
        let folder = tempfile_of("here.md", "# Yes\n");
        let text = "deploy/here.md, deploy/here.md#yes, deploy/here.md#no and deploy/gone.md";
        let lost = missing(&folder, text).unwrap();
        assert_eq!(lost, ["deploy/here.md#no", "deploy/gone.md"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn our_own_pages_hold() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut complaints = misleading_comments(&root).unwrap();
        complaints.extend(misleading_map(&root).unwrap());
        for page in pages::files(&root, "md").unwrap() {
            let lost = broken(&root, &page).unwrap().into_iter();
            complaints.extend(lost.map(|link| format!("{}: {link}", page.display())));
        }
        let read = |page: &str| fs::read_to_string(root.join("deploy").join(page)).unwrap();
        complaints.extend(untold(&read("reference/problems.md"), &read(GUIDE)));
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }

    #[test]
    fn a_problem_without_a_row_is_found() {
        let problems = "# Problems\n## one\n## two\n## three\n";
        let guide = "| x | [one](reference/problems.md#one) |\n[two](reference/problems.md#two) without a row";
        assert_eq!(
            untold(problems, guide),
            ["nothing about two", "nothing about three"]
        );
    }

    /// A root whose folder `deploy` holds one file.
    fn tempfile_of(name: &str, text: &str) -> std::path::PathBuf {
        let id = std::process::id();
        let root = std::env::temp_dir().join(format!("whipstitch-links-{id}"));
        fs::create_dir_all(root.join("deploy")).unwrap();
        fs::write(root.join("deploy").join(name), text).unwrap();
        root
    }
}
