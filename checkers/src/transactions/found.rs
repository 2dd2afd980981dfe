use std::{collections::BTreeMap, time::Duration};

use super::{
    Examined, Expected,
    cycle::{as_strong, class, rank, shortest, without_joints},
    graph::{Dependency, Edge, Graph},
    parse::{KeyId, Transactions},
    real_time,
};
use crate::{Anomaly, Class, Index, Validity, Value, Verdict};

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

    /// A transaction in a sentence.
    pub(super) fn name(&self, transaction: u32) -> String {
        format!("T{}", self.transactions.list[transaction as usize].invoke.0)
    }

    pub(super) fn key(&self, key: KeyId) -> &Value {
        &self.transactions.keys[key as usize]
    }

    /// Adds the cycles of dependencies; in real time only if that is expected.
    pub(super) fn dependencies(&mut self, mut edges: Vec<Edge>, expected: Expected) {
        let transactions = self.transactions.list.len();
        self.cycles(&Graph::new(transactions, edges.clone()));
        if expected == Expected::StrictSerializable {
            let joints = edges.iter().map(|edge| edge.from.max(edge.to) + 1).max().unwrap_or(0);
            let first = joints.max(u32::try_from(transactions).expect("< 2^31 transactions"));
            edges.extend(real_time::edges(self.transactions, first));
            self.cycles(&Graph::new(transactions, edges));
        }
    }

    /// Adds the cycles of a graph, the strongest kind first.
    fn cycles(&mut self, graph: &Graph) {
        use Dependency::{ReadWrite, WriteRead, WriteWrite};
        for weakest in [WriteWrite, WriteRead, ReadWrite] {
            for cycle in graph.cycles(weakest) {
                let short = shortest(graph, self.transactions, &cycle);
                self.cycle(&short);
                // Fewer transactions may contradict each other in a weaker way
                // only, as by anti-dependencies.
                let whole = without_joints(graph, self.transactions, &cycle);
                if rank(class(&whole)) < rank(class(&short)) {
                    self.cycle(&as_strong(graph, self.transactions, whole));
                }
            }
        }
    }

    fn cycle(&mut self, cycle: &[Edge]) {
        let members: Vec<u32> = cycle.iter().map(|edge| edge.from).collect();
        let steps: Vec<String> = cycle
            .iter()
            .map(|edge| {
                let (from, to) = (self.name(edge.from), self.name(edge.to));
                let key = || self.key(edge.key);
                match edge.dependency {
                    Dependency::RealTime => format!("{to} began after {from} had ended"),
                    Dependency::WriteWrite => {
                        format!("{to} overwrote what {from} wrote to {}", key())
                    }
                    Dependency::WriteRead => format!("{to} read what {from} wrote to {}", key()),
                    Dependency::ReadWrite => {
                        format!("{to} overwrote what {from} read of {}", key())
                    }
                }
            })
            .collect();
        let explanation = format!("{}: each must come before the next", steps.join(", "));
        self.add(class(cycle), &members, || explanation);
    }

    /// Whether something was found that a level excludes.
    pub(super) fn excludes(&self, level: Expected) -> bool {
        let excluded = |class: &Class| Expected::excluded_by(*class).is_some_and(|l| l <= level);
        self.of_class.keys().any(excluded)
    }

    /// The verdict, worst first, and every level up to the expected one.
    /// `undecided` are levels for which nothing was found, and why that says
    /// nothing.
    pub(super) fn examined(
        self,
        expected: Expected,
        undecided: &[(Expected, String)],
        dependencies: usize,
    ) -> Examined {
        let open = |level: Expected| undecided.iter().find(|(open, _)| *open == level);
        let of = |level: Expected| match open(level) {
            _ if self.excludes(level) => Validity::Invalid,
            Some(_) => Validity::Unknown,
            None => Validity::Valid,
        };
        let upto = Expected::ALL.into_iter().filter(|level| *level <= expected);
        let levels: Vec<_> = upto.map(|level| (level, of(level))).collect();
        let why = open(expected).map(|(_, why)| why.clone());
        let kept = self.of_class.into_iter().filter(|(class, _)| {
            Expected::excluded_by(*class).is_none_or(|level| level <= expected)
        });
        let anomalies: Vec<Anomaly> = kept.flat_map(|(_, anomalies)| anomalies).collect();
        let verdict = match why {
            _ if !anomalies.is_empty() => Verdict::invalid(anomalies),
            Some(why) => Verdict::unknown(why),
            None => Verdict::valid(),
        };
        Examined { verdict, levels, dependencies }
    }
}
