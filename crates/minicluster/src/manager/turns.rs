//! Round robin: which node a lookup names next.

use std::cmp::Reverse;

use crate::node::NodeState;

/// The round-robin state of all nodes.
#[derive(Debug)]
pub(crate) struct Turns(Vec<Saved>);

/// The round-robin state of one node.
#[derive(Debug, Clone, Default)]
struct Saved {
    /// How often it has been named for a publisher: breaks ties of load.
    published: u64,
    /// Credit towards its next player.
    credit: i64,
}

impl Turns {
    pub(crate) fn new(nodes: usize) -> Self {
        Self(vec![Saved::default(); nodes])
    }

    /// For a publisher: the node that carries the stream already, else the least loaded one, else
    /// the one named least.
    pub(super) fn for_publisher(
        &mut self,
        nodes: &mut [&NodeState],
        carrier: Option<usize>,
        load: impl Fn(usize) -> usize,
    ) {
        nodes.sort_by_key(|node| {
            let published = self.0.get(node.index).map_or(0, |saved| saved.published);
            (Some(node.index) != carrier, load(node.index), published)
        });
        if let Some(saved) = nodes.first().and_then(|node| self.0.get_mut(node.index)) {
            saved.published += 1;
        }
    }

    /// For a player: one after the other, each as often as its weight says. This is smooth weighted
    /// round robin: every node earns its weight; the node with the most credit is named and pays
    /// the sum of all weights.
    pub(super) fn for_player(&mut self, nodes: &mut [&NodeState]) {
        nodes.sort_by_key(|node| node.index);
        let shares: Vec<(usize, u32)> = nodes
            .iter()
            .map(|node| (node.index, node.about.weight))
            .collect();
        self.turn(&shares);
        nodes.sort_by_key(|node| Reverse(self.standing(node.index)));
        if let Some(first) = nodes.first() {
            self.pay(first.index, &shares);
        }
    }

    fn turn(&mut self, shares: &[(usize, u32)]) {
        for (index, weight) in shares {
            if let Some(saved) = self.0.get_mut(*index) {
                saved.credit += i64::from(*weight);
            }
        }
    }

    fn standing(&self, index: usize) -> i64 {
        self.0.get(index).map_or(0, |saved| saved.credit)
    }

    fn pay(&mut self, index: usize, shares: &[(usize, u32)]) {
        let all: i64 = shares.iter().map(|(_, weight)| i64::from(*weight)).sum();
        if let Some(saved) = self.0.get_mut(index) {
            saved.credit -= all;
        }
    }
}
