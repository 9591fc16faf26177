//! `cargo xtask reference`: the pages that are generated from the product's types.

use crate::Result;

/// Writes the pages, or with `check` only compares them with what is there.
#[cfg(not(feature = "reference"))]
pub(crate) fn run(check: bool) -> Result {
    crate::rerun::reference(check)
}

/// Writes the pages, or with `check` only compares them with what is there.
#[cfg(feature = "reference")]
pub(crate) fn run(check: bool) -> Result {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    let pages = whipstitch_reference::pages();
    let pages = pages.iter().map(|(path, text)| (path.as_ref(), &**text));
    settle(metadata.workspace_root.as_std_path(), pages, check)
}

/// Writes or compares pages below `root`.
#[cfg(any(feature = "reference", test))]
fn settle<'a>(
    root: &std::path::Path,
    pages: impl Iterator<Item = (&'a std::path::Path, &'a str)>,
    check: bool,
) -> Result {
    let mut stale = Vec::new();
    for (path, text) in pages {
        let file = root.join(path);
        if std::fs::read_to_string(&file).is_ok_and(|there| there == text) {
            continue;
        }
        if check {
            stale.push(path.display().to_string());
            continue;
        }
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&file, text)?;
        println!("wrote {}", path.display());
    }
    if stale.is_empty() {
        return Ok(());
    }
    let stale = stale.join(", ");
    Err(format!("out of date: {stale}. Run `cargo xtask reference` and commit the pages").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_page_is_written_once_and_its_staleness_noticed() {
        let root = std::env::temp_dir().join(format!("xtask-reference-{}", std::process::id()));
        let page = |text| [(Path::new("deploy/reference/a.md"), text)].into_iter();
        let error = settle(&root, page("one"), true).unwrap_err();
        assert!(error.to_string().contains("deploy/reference/a.md"));
        settle(&root, page("one"), false).unwrap();
        settle(&root, page("one"), true).unwrap();
        assert!(settle(&root, page("two"), true).is_err());
        std::fs::remove_dir_all(&root).unwrap();
    }
}
