//! No import cycle between modules, and rooms that import downwards only.
//!
//! An arrow goes from the module that names an item (in a `use`, a path, or the arguments of a
//! macro) to the module that *defines* the item: re-exports are followed, so `use crate::Table`
//! counts for the file of `Table`. Naming a module is not an arrow; naming something in it is.
//! Tests do not count.
//!
//! A cycle is a set of sibling modules (children of one parent) that all reach each other by
//! such arrows, each sibling together with all modules below it. So the same arrow counts once:
//! at the level where its two ends part. Arrows between a module and one below it do not count: a
//! parent declares, re-exports and calls its children, and a child implements a part of its parent.
//! A cycle that runs only through items in the parent's own file is therefore not found, and
//! neither is a call of a method whose type is never named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cargo_metadata::{MetadataCommand, Package, TargetKind};

use super::cycles::cycles;
use super::names::Target;
use super::rooms;
use super::tree::{Id, ROOT, Tree};
use crate::Result;

/// How many pairs of siblings may still break a rule in a crate. A number may only fall; a crate
/// that is split takes its share along.
const EXCEPTIONS: &[(&str, usize)] = &[];

/// The file that gives the order of the rooms.
const SOURCE: &str = "crates/xtask/src/arrows/rooms.rs";

/// One module uses an item of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: Id,
    to: Id,
    file: PathBuf,
    line: usize,
    item: String,
}

/// For each parent, the arrows between its children.
type Levels<'a> = BTreeMap<Id, BTreeMap<(Id, Id), Vec<&'a Arrow>>>;

/// A rule that is broken by one child of a module that imports another.
#[derive(Debug)]
struct Offence {
    rule: String,
    pairs: BTreeSet<(Id, Id)>,
    arrows: Vec<Arrow>,
}

/// Checks the modules of every library of the workspace; with `all`, without exceptions.
///
/// # Errors
/// When more arrows break a rule than a crate is allowed; each is named.
pub(super) fn run(all: bool) -> Result {
    let metadata = MetadataCommand::new().no_deps().exec()?;
    let root = metadata.workspace_root.as_std_path();
    let (mut checked, mut arrows_seen, mut errors) = (0, 0, String::new());
    for package in metadata.workspace_packages() {
        let Some(library) = library(package) else {
            continue;
        };
        let tree = Tree::read(library)?;
        let arrows = arrows(&tree, root);
        checked += tree.modules.len();
        arrows_seen += arrows.len();
        let offences = offences(&package.name, &tree, &arrows);
        let allowed = if all { 0 } else { exceptions(&package.name) };
        judge((&package.name, allowed), &tree, &offences, &mut errors);
    }
    if errors.is_empty() {
        println!("{arrows_seen} arrows between {checked} modules, all allowed");
        return Ok(());
    }
    Err(format!("arrows between modules\n{errors}").into())
}

fn library(package: &Package) -> Option<&Path> {
    let is_library = |kinds: &[TargetKind]| kinds.contains(&TargetKind::Lib);
    let target = package.targets.iter().find(|one| is_library(&one.kind))?;
    Some(target.src_path.as_std_path())
}

fn exceptions(name: &str) -> usize {
    let known = EXCEPTIONS.iter().find(|(known, _)| *known == name);
    known.map_or(0, |(_, most)| *most)
}

/// Appends what is wrong beyond the exceptions of the crate.
fn judge((name, allowed): (&str, usize), tree: &Tree, offences: &[Offence], errors: &mut String) {
    let broken: BTreeSet<(Id, Id)> = offences
        .iter()
        .flat_map(|one| &one.pairs)
        .copied()
        .collect();
    if broken.len() <= allowed {
        if allowed > 0 {
            println!(
                "{name}: {} of {allowed} listed exceptions (`cargo xtask arrows --all` names them)",
                broken.len()
            );
        }
        return;
    }
    let _ = writeln!(
        errors,
        "{name}: {} pairs of modules break a rule, {allowed} may",
        broken.len()
    );
    for offence in offences {
        let _ = writeln!(errors, "  {}", offence.rule);
        for (place, items) in places(tree, &offence.arrows) {
            let _ = writeln!(errors, "    {place} ({})", items.join(", "));
        }
    }
}

/// Where one module uses another, and which items: one line for each file and pair of modules.
fn places(tree: &Tree, arrows: &[Arrow]) -> Vec<(String, Vec<String>)> {
    let mut sorted: Vec<&Arrow> = arrows.iter().collect();
    sorted.sort_unstable_by_key(|one| (&one.file, one.from, one.to, one.line));
    let same = |one: &&Arrow, other: &&Arrow| (one.from, one.to) == (other.from, other.to);
    let groups = sorted.chunk_by(same).filter_map(|group| {
        let first = group.first()?;
        let (from, to) = (tree.path(first.from), tree.path(first.to));
        let mut items: Vec<String> = group.iter().map(|one| one.item.clone()).collect();
        items.dedup();
        let (file, line) = (first.file.display(), first.line);
        Some((format!("{file}:{line}: {from} -> {to}"), items))
    });
    groups.collect()
}

/// Every arrow of a crate, files relative to the workspace.
fn arrows(tree: &Tree, root: &Path) -> BTreeSet<Arrow> {
    let mut arrows = BTreeSet::new();
    for (from, module) in tree.modules.iter().enumerate() {
        let file = module.file.strip_prefix(root).unwrap_or(&module.file);
        for one in &module.uses {
            if let Some(Target::Item(to)) = tree.resolve(from, &one.path)
                && to != from
            {
                arrows.insert(Arrow {
                    from,
                    to,
                    file: file.to_owned(),
                    line: one.line,
                    item: one.path.last().cloned().unwrap_or_default(),
                });
            }
        }
    }
    arrows
}

fn offences(name: &str, tree: &Tree, arrows: &BTreeSet<Arrow>) -> Vec<Offence> {
    let mut levels = Levels::new();
    for arrow in arrows {
        if let Some((parent, from, to)) = parting(tree, arrow) {
            let level = levels.entry(parent).or_default();
            level.entry((from, to)).or_default().push(arrow);
        }
    }
    let mut offences = rooms_broken(name, tree, &levels);
    for (parent, level) in &levels {
        for group in cycles(&level.keys().copied().collect()) {
            let names: Vec<String> = group.iter().map(|id| tree.path(*id)).collect();
            let inside = level
                .iter()
                .filter(|((from, to), _)| group.contains(from) && group.contains(to));
            let rule = format!(
                "import cycle in {}: {}",
                tree.path(*parent),
                names.join(", ")
            );
            offences.push(offence(rule, inside));
        }
    }
    offences
}

/// The parent under which the two ends of an arrow part, and the child of it that holds each; none
/// if one end contains the other.
fn parting(tree: &Tree, arrow: &Arrow) -> Option<(Id, Id, Id)> {
    let (from, to) = (tree.ancestry(arrow.from), tree.ancestry(arrow.to));
    let common = from
        .iter()
        .zip(&to)
        .take_while(|(one, other)| one == other)
        .count();
    let parent = from.get(common.checked_sub(1)?)?;
    Some((*parent, *from.get(common)?, *to.get(common)?))
}

fn offence<'a>(
    rule: String,
    broken: impl Iterator<Item = (&'a (Id, Id), &'a Vec<&'a Arrow>)>,
) -> Offence {
    let (pairs, arrows): (BTreeSet<_>, Vec<_>) = broken.unzip();
    Offence {
        rule,
        pairs,
        arrows: arrows.into_iter().flatten().copied().cloned().collect(),
    }
}

fn rooms_broken(name: &str, tree: &Tree, levels: &Levels<'_>) -> Vec<Offence> {
    let Some(order) = rooms::order(name) else {
        return Vec::new();
    };
    let unplaced = rooms::unplaced(tree, order).into_iter().map(|id| Offence {
        rule: format!("{} has no place in the order of {SOURCE}", tree.path(id)),
        pairs: BTreeSet::from([(id, id)]),
        arrows: Vec::new(),
    });
    let arrows = levels.get(&ROOT).into_iter().flatten();
    let upward = arrows.filter(|((from, to), _)| rooms::is_upward(tree, order, *from, *to));
    let upward = upward.map(|(pair, arrows)| {
        let (above, below) = (tree.path(pair.0), tree.path(pair.1));
        let rule = format!("{above} is below {below} in {SOURCE} and may not import it");
        offence(rule, std::iter::once((pair, arrows)))
    });
    unplaced.chain(upward).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The complaints about a crate of these files.
    fn wrong(name: &str, files: &[(&str, &str)]) -> String {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = format!("xtask-modules-{}-{count}", std::process::id());
        let root = std::env::temp_dir().join(folder);
        for (file, text) in files {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let tree = Tree::read(&root.join("lib.rs")).unwrap();
        let offences = offences(name, &tree, &arrows(&tree, &root));
        let mut errors = String::new();
        judge((name, 0), &tree, &offences, &mut errors);
        fs::remove_dir_all(&root).unwrap();
        errors
    }

    #[test]
    fn a_reexport_does_not_hide_a_cycle() {
        let lib = "mod a; mod b; pub use b::deep::Table;";
        let a = "use crate::Table;\npub(crate) struct Row;";
        let deep = "pub struct Table;\nfn f() { let _ = crate::a::Row; }";
        let files = [
            ("lib.rs", lib),
            ("a.rs", a),
            ("b/mod.rs", "pub(crate) mod deep;"),
            ("b/deep.rs", deep),
        ];
        assert_eq!(
            wrong("any", &files),
            "any: 2 pairs of modules break a rule, 0 may\n  \
             import cycle in crate: a, b\n    \
             a.rs:1: a -> b::deep (Table)\n    \
             b/deep.rs:2: b::deep -> a (Row)\n"
        );
    }

    #[test]
    fn the_arguments_of_a_macro_count_and_tests_do_not() {
        let lib = "mod a; mod b;";
        let a = "pub(crate) const LIMIT: u8 = 1;\nfn f() { println!(\"{}\", super::b::LIMIT); }";
        let b = "pub(crate) const LIMIT: u8 = 1;\nfn f() { let _ = crate::a::LIMIT; }";
        let tested = "pub(crate) const LIMIT: u8 = 1;\n\
                      #[cfg(test)]\nmod tests { use crate::a::LIMIT; }";
        let cycle = wrong("any", &[("lib.rs", lib), ("a.rs", a), ("b.rs", b)]);
        assert!(cycle.contains("a.rs:2: a -> b (LIMIT)"), "{cycle}");
        assert_eq!(
            wrong("any", &[("lib.rs", lib), ("a.rs", a), ("b.rs", tested)]),
            ""
        );
    }

    #[test]
    fn a_parent_and_its_children_may_know_each_other() {
        let files = [
            ("lib.rs", "mod a; pub struct Facade(a::Part);"),
            (
                "a.rs",
                "pub struct Part; impl Part { fn f(_: &super::Facade) {} }",
            ),
        ];
        assert_eq!(wrong("any", &files), "");
    }

    #[test]
    fn a_room_imports_downwards_only() {
        let files = [
            ("lib.rs", "mod nodes; mod report; mod cellar;"),
            ("nodes.rs", "pub(crate) struct Client;"),
            ("report.rs", "use crate::nodes::Client;"),
            ("cellar.rs", ""),
        ];
        let wrong = wrong("whipstitch-proxy", &files);
        assert!(wrong.contains("report is below nodes in"), "{wrong}");
        assert!(
            wrong.contains("report.rs:1: report -> nodes (Client)"),
            "{wrong}"
        );
        assert!(
            wrong.contains("cellar has no place in the order"),
            "{wrong}"
        );
    }

    #[test]
    fn our_own_workspace_holds() {
        run(false).unwrap();
    }
}
