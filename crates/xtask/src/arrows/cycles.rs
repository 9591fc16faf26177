//! Strongly connected components of a graph.

use std::collections::{BTreeMap, BTreeSet};

/// The groups of nodes that all reach each other; groups of one are left out.
pub(super) fn cycles(edges: &BTreeSet<(usize, usize)>) -> Vec<BTreeSet<usize>> {
    let mut next: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &(from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<usize, BTreeSet<usize>> = next
        .keys()
        .map(|&from| (from, reachable(&next, from)))
        .collect();
    let mut groups = BTreeSet::new();
    for (&one, reach) in &reached {
        let back = |other: &usize| reached.get(other).is_some_and(|way| way.contains(&one));
        let group: BTreeSet<usize> = reach.iter().copied().filter(back).collect();
        if group.len() > 1 {
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

fn reachable(next: &BTreeMap<usize, Vec<usize>>, from: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for &to in next.get(&at).into_iter().flatten() {
            if seen.insert(to) {
                open.push(to);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_groups_that_reach_each_other_are_cycles() {
        let edges = BTreeSet::from([(1, 2), (2, 3), (3, 1), (3, 4), (4, 5), (6, 4)]);
        assert_eq!(cycles(&edges), [BTreeSet::from([1, 2, 3])]);
        assert!(cycles(&BTreeSet::from([(1, 2), (1, 3), (2, 3)])).is_empty());
    }
}
