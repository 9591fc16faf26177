//! The rooms of a crate: its top-level modules in the order in which they may import each other.

use super::tree::{Id, ROOT, Tree};

/// A crate, and its top-level modules. Each may import those after it only.
const ROOMS: &[(&str, &[&str])] = &[(
    "whipstitch-proxy",
    &[
        "current",
        "stack",
        "layers",
        "destinations",
        "sessions",
        "nodes",
        "report",
        "request",
        "words",
    ],
)];

/// The order of a crate's rooms, if the design gives one.
pub(super) fn order(name: &str) -> Option<&'static [&'static str]> {
    let (_, order) = ROOMS.iter().find(|(known, _)| *known == name)?;
    Some(order)
}

/// Top-level modules that have no place in the order.
pub(super) fn unplaced(tree: &Tree, order: &[&str]) -> Vec<Id> {
    let children = tree.at(ROOT).children.iter();
    let mut without: Vec<Id> = children
        .filter(|(name, _)| !order.contains(&name.as_str()))
        .map(|(_, id)| *id)
        .collect();
    without.sort_unstable();
    without
}

/// Whether `from` may not import `to`, both top-level modules.
pub(super) fn is_upward(tree: &Tree, order: &[&str], from: Id, to: Id) -> bool {
    let floor = |id: Id| {
        let name = tree.at(id).name.as_str();
        order.iter().position(|room| *room == name)
    };
    matches!((floor(from), floor(to)), (Some(from), Some(to)) if from > to)
}
