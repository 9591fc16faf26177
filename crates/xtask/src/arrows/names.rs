//! Which module a path leads to: re-exports and imports are followed to the definition.

use super::tree::{Id, ROOT, Tree};

/// A path may pass this many imports; more is a circle of re-exports.
const MOST_IMPORTS: usize = 32;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A module itself. An import of it is not an arrow; what is used through it is.
    Module(Id),
    /// An item that this module defines.
    Item(Id),
}

impl Tree {
    /// What `path`, written in module `at`, names; nothing if it leads out of the crate.
    ///
    /// A name that a module neither defines nor imports counts as defined there: a macro has made
    /// it, or the crate would not compile.
    pub(super) fn resolve(&self, at: Id, path: &[String]) -> Option<Target> {
        self.follow(at, path, MOST_IMPORTS)
    }

    fn follow(&self, at: Id, path: &[String], fuel: usize) -> Option<Target> {
        let fuel = fuel.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let start = match first.as_str() {
            "crate" => Target::Module(ROOT),
            "self" => Target::Module(at),
            "super" => Target::Module(self.at(at).parent),
            name => self.look_up(at, name, rest.is_empty(), fuel)?,
        };
        self.descend(start, rest, fuel)
    }

    fn descend(&self, start: Target, path: &[String], fuel: usize) -> Option<Target> {
        let mut target = start;
        for (position, name) in path.iter().enumerate() {
            let Target::Module(module) = target else {
                return Some(target);
            };
            target = match name.as_str() {
                "super" => Target::Module(self.at(module).parent),
                "self" => target,
                name => {
                    let last = position + 1 == path.len();
                    match self.look_up(module, name, last, fuel) {
                        Some(found) => found,
                        None if self.imports_from_elsewhere(module, name, fuel) => return None,
                        None => Target::Item(module),
                    }
                }
            };
        }
        Some(target)
    }

    /// What `name` is in a module. Where an item and a module have the same name, `last` decides:
    /// at the end of a path it is the item.
    fn look_up(&self, at: Id, name: &str, last: bool, fuel: usize) -> Option<Target> {
        let module = &self.at(at);
        let child = module.children.get(name).map(|id| Target::Module(*id));
        let own = module.items.contains(name).then_some(Target::Item(at));
        let imported = || {
            let path = module.imports.get(name)?;
            // `use name;` and `use name::…` of a crate that has the name of its import.
            if path.first().is_some_and(|first| first == name) && child.is_none() {
                return None;
            }
            self.follow(at, path, fuel.checked_sub(1)?)
        };
        let found = if last {
            own.or_else(imported).or(child)
        } else {
            child.or(own).or_else(imported)
        };
        found.or_else(|| {
            let fuel = fuel.checked_sub(1)?;
            module
                .globs
                .iter()
                .find_map(|path| match self.follow(at, path, fuel)? {
                    Target::Module(from) if from != at => self.look_up(from, name, last, fuel),
                    _ => None,
                })
        })
    }

    /// Whether a module imports `name` from another crate.
    fn imports_from_elsewhere(&self, at: Id, name: &str, fuel: usize) -> bool {
        self.at(at)
            .imports
            .get(name)
            .is_some_and(|path| self.follow(at, path, fuel).is_none())
    }
}
