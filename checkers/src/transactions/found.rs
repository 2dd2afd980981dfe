use std::{collections::BTreeMap, time::Duration};

use super::{
    Expected,
    cycle::{as_strong, class, rank, shortest, without_joints},
    graph::{Dependency, Edge, Graph},
    level::without_order,
    nonadjacent,
    parse::{KeyId, Transactions},
};
use crate::{Anomaly, Class, Index, Value};

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
        let witness = self.witness(members);
        let kept = self.of_class.entry(class).or_default();
        if kept.len() >= MAX_PER_CLASS {
            return;
        }
        if kept.iter().any(|anomaly| anomaly.witness == witness) {
            return;
        }
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

    /// The events of some transactions.
    fn witness(&self, members: &[u32]) -> Vec<Index> {
        let mut witness: Vec<Index> = Vec::new();
        for &member in members {
            let transaction = &self.transactions.list[member as usize];
            witness.push(transaction.invoke);
            witness.extend(transaction.complete);
        }
        witness.sort_unstable();
        witness.dedup();
        witness
    }

    /// Whether a cycle of these transactions was found that a level excludes.
    pub(super) fn has_cycle_of(&self, members: &[u32], level: Expected) -> bool {
        let witness = self.witness(members);
        let cycles = self.of_class.iter().filter(|(class, _)| {
            let is_cycle = matches!(
                without_order(**class),
                Class::G0 | Class::G1c | Class::GSingle | Class::GNonadjacent | Class::G2Item
            );
            is_cycle && level.excludes(**class)
        });
        cycles.flat_map(|(_, kept)| kept).any(|anomaly| anomaly.witness == witness)
    }

    /// A transaction in a sentence.
    pub(super) fn name(&self, transaction: u32) -> String {
        format!("T{}", self.transactions.list[transaction as usize].invoke.0)
    }

    pub(super) fn key(&self, key: KeyId) -> &Value {
        &self.transactions.keys[key as usize]
    }

    /// Adds the cycles of dependencies, the strongest kind first; what they rest
    /// on besides data is among them.
    pub(super) fn cycles(&mut self, dependencies: &[Edge]) {
        use Dependency::{ReadWrite, WriteRead, WriteWrite};
        let graph = &Graph::new(self.transactions.list.len(), dependencies.to_vec());
        let mut has_anti = false;
        for weakest in [WriteWrite, WriteRead, ReadWrite] {
            for cycle in graph.cycles(weakest) {
                has_anti |= weakest == ReadWrite;
                let strong = weakest.min(WriteRead);
                let short = shortest(graph, self.transactions, &cycle, strong);
                self.cycle(&short);
                // Fewer transactions may contradict each other in a weaker way
                // only, as by anti-dependencies.
                let whole = without_joints(graph, self.transactions, &cycle, strong);
                let class = class(&whole);
                if rank(class) < rank(self::class(&short)) && without_order(class) <= Class::GSingle
                {
                    self.cycle(&as_strong(graph, self.transactions, whole));
                }
            }
        }
        if has_anti {
            for cycle in nonadjacent::cycles(graph, self.transactions, dependencies) {
                self.cycle(&cycle);
            }
        }
    }

    fn cycle(&mut self, cycle: &[Edge]) {
        let members: Vec<u32> = cycle.iter().map(|edge| edge.from).collect();
        let steps: Vec<String> = cycle.iter().map(|edge| self.step(edge)).collect();
        let name = known_as(cycle).map_or_else(String::new, |name| format!(" ({name})"));
        let explanation = format!("{}: each must come before the next{name}", steps.join(", "));
        self.add(class(cycle), &members, || explanation);
    }

    /// How one transaction depends on another, in words.
    pub(super) fn step(&self, edge: &Edge) -> String {
        let (from, to) = (self.name(edge.from), self.name(edge.to));
        let key = || self.key(edge.key);
        match edge.dependency {
            Dependency::Process => format!("{to} followed {from} in its session"),
            Dependency::RealTime => format!("{to} began after {from} had ended"),
            Dependency::WriteWrite => format!("{to} overwrote what {from} wrote to {}", key()),
            Dependency::WriteRead => format!("{to} read what {from} wrote to {}", key()),
            Dependency::ReadWrite => format!("{to} overwrote what {from} read of {}", key()),
            Dependency::Seen => {
                format!("{from}, which wrote {} too, was seen with what {to} wrote", key())
            }
        }
    }

    /// Whether something was found that a level excludes.
    pub(super) fn excludes(&self, level: Expected) -> bool {
        self.of_class.keys().any(|class| level.excludes(*class))
    }

    /// What was found that a level excludes, the worst first.
    pub(super) fn against(self, level: Expected) -> Vec<Anomaly> {
        let kept = self.of_class.into_iter().filter(|(class, _)| level.excludes(*class));
        kept.flat_map(|(_, anomalies)| anomalies).collect()
    }
}

/// What the smallest of some cycles are known as.
fn known_as(cycle: &[Edge]) -> Option<&'static str> {
    use Dependency::{ReadWrite, WriteRead};
    let kinds: Vec<Dependency> = cycle.iter().map(|edge| edge.dependency).collect();
    match kinds[..] {
        [ReadWrite, ReadWrite] => Some("write skew"),
        [ReadWrite, WriteRead, ReadWrite, WriteRead]
        | [WriteRead, ReadWrite, WriteRead, ReadWrite] => Some("long fork"),
        [ReadWrite, WriteRead] | [WriteRead, ReadWrite] => Some("read skew"),
        _ => None,
    }
}
