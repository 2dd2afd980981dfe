use std::{collections::BTreeMap, time::Duration};

use super::{
    graph::{Dependency, Edge, Graph, anti},
    parse::{KeyId, Transactions},
};
use crate::{Anomaly, Class, Index, Value, Verdict};

/// More anomalies of a class are not described.
const MAX_PER_CLASS: usize = 20;

/// What was found so far.
pub(super) struct Found<'a> {
    transactions: &'a Transactions,
    of_class: BTreeMap<Class, Vec<Anomaly>>,
}

impl<'a> Found<'a> {
    pub(super) const fn new(transactions: &'a Transactions) -> Self {
        Self { transactions, of_class: BTreeMap::new() }
    }

    /// Adds an anomaly of some transactions.
    pub(super) fn add(&mut self, class: Class, members: &[u32], explain: impl FnOnce() -> String) {
        let kept = self.of_class.entry(class).or_default();
        if kept.len() >= MAX_PER_CLASS {
            return;
        }
        let mut witness: Vec<Index> = Vec::new();
        for &member in members {
            let transaction = &self.transactions.list[member as usize];
            witness.push(transaction.invoke);
            witness.extend(transaction.complete);
        }
        witness.sort_unstable();
        witness.dedup();
        kept.push(Anomaly {
            class,
            cause: None,
            key: None,
            witness,
            stale_for: Duration::ZERO,
            versions_behind: 0,
            explanation: explain(),
        });
    }

    /// A transaction in a sentence.
    pub(super) fn name(&self, transaction: u32) -> String {
        format!("T{}", self.transactions.list[transaction as usize].invoke.0)
    }

    pub(super) fn key(&self, key: KeyId) -> &Value {
        &self.transactions.keys[key as usize]
    }

    /// Adds the cycles of a graph, the strongest kind first; a node beyond the
    /// transactions only joins edges.
    pub(super) fn cycles(&mut self, graph: &Graph) {
        for cycle in graph.cycles(Dependency::WriteWrite) {
            self.cycle(Class::G0, &cycle);
        }
        for cycle in graph.cycles(Dependency::WriteRead) {
            self.cycle(Class::G1c, &cycle);
        }
        for cycle in graph.cycles(Dependency::ReadWrite) {
            let class = if anti(&cycle) == 1 { Class::GSingle } else { Class::G2 };
            self.cycle(class, &cycle);
        }
    }

    fn cycle(&mut self, class: Class, cycle: &[Edge]) {
        let is_real = |node: &u32| (*node as usize) < self.transactions.list.len();
        let members: Vec<u32> = cycle.iter().map(|edge| edge.from).filter(is_real).collect();
        // An edge to a joint and the one from there are one dependency.
        let real = cycle.iter().enumerate().filter(|(_, edge)| is_real(&edge.from));
        let steps: Vec<String> = real
            .map(|(at, edge)| {
                let to = if is_real(&edge.to) { edge.to } else { cycle[(at + 1) % cycle.len()].to };
                let (from, to, key) = (self.name(edge.from), self.name(to), self.key(edge.key));
                match edge.dependency {
                    Dependency::WriteWrite => format!("{to} overwrote what {from} wrote to {key}"),
                    Dependency::WriteRead => format!("{to} read what {from} wrote to {key}"),
                    Dependency::ReadWrite => format!("{to} overwrote what {from} read of {key}"),
                }
            })
            .collect();
        let explanation = format!("{}: each must come before the next", steps.join(", "));
        self.add(class, &members, || explanation);
    }

    /// The verdict, worst first.
    pub(super) fn verdict(self) -> Verdict {
        let anomalies: Vec<Anomaly> = self.of_class.into_values().flatten().collect();
        if anomalies.is_empty() { Verdict::valid() } else { Verdict::invalid(anomalies) }
    }
}
