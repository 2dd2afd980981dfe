//! Snapshot isolation: every transaction reads all that had been committed at
//! one moment, its snapshot, and writes at a later one, its commit; between the
//! two nobody else commits a write of a key that it writes itself.
//!
//! So each transaction is two nodes, of which the first comes first, and what
//! [`serial`](super::serial) orders are moments.

use super::{
    graph::{Dependency, Edge},
    serial::{Outcome, Problem, Touch},
};

/// Two moments for each transaction.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    transactions: u32,
}

impl Moments {
    pub(super) fn of(transactions: usize) -> Self {
        Self { transactions: u32::try_from(transactions).expect("< 2^30 transactions") }
    }

    pub(super) const fn snapshot(self, transaction: u32) -> u32 {
        transaction
    }

    pub(super) const fn commit(self, transaction: u32) -> u32 {
        self.transactions + transaction
    }

    /// Whose moment it is; none of a joint.
    pub(super) fn transaction(self, moment: u32) -> Option<u32> {
        (moment < 2 * self.transactions).then(|| moment % self.transactions)
    }

    /// The transactions of some moments.
    pub(super) fn transactions(self, outcome: Outcome) -> Outcome {
        let Outcome::Contradiction(moments) = outcome else { return outcome };
        let mut members: Vec<u32> =
            moments.into_iter().filter_map(|moment| self.transaction(moment)).collect();
        members.sort_unstable();
        members.dedup();
        Outcome::Contradiction(members)
    }

    /// The same problem with two moments instead of one.
    pub(super) fn split(self, problem: Problem) -> Problem {
        let mut split = Problem::new(problem.keys.len());
        let (places, joints) = problem.priority.split_at(self.transactions as usize);
        split.priority = [places, places, joints].concat();
        split.known = (0..self.transactions).map(|at| (at, self.commit(at))).collect();
        // A joint is one moment: it stands for no transaction.
        let is_joint = |node: u32| node >= self.transactions;
        let after =
            |node: u32| if is_joint(node) { node + self.transactions } else { self.commit(node) };
        let before = |node: u32| if is_joint(node) { node + self.transactions } else { node };
        let known = problem.known.into_iter();
        split.known.extend(known.map(|(from, to)| (after(from), before(to))));
        for (key, touches) in problem.keys.into_iter().enumerate() {
            for Touch { node, read, writes } in touches {
                if let Some(from) = read {
                    let read = Some(from.at(|writer| self.commit(writer)));
                    split.keys[key].push(Touch { node, read, writes: false });
                }
                if writes {
                    let commit = self.commit(node);
                    split.keys[key].push(Touch { node: commit, read: None, writes: true });
                    split.spans[key].push((self.snapshot(node), commit));
                }
            }
        }
        split
    }

    /// What dependencies say about moments. Joints become two: one for what
    /// must have been committed, one for what must have been read.
    pub(super) fn known(self, edges: &[Edge]) -> Vec<(u32, u32)> {
        let first = self.transactions;
        let joint = |node: u32| 2 * first + 2 * (node - first);
        let mut known: Vec<(u32, u32)> = (0..first).map(|at| (at, self.commit(at))).collect();
        // What a transaction overwrote itself says nothing of moments.
        for edge in edges.iter().filter(|edge| edge.from != edge.to) {
            let is_read = edge.dependency == Dependency::ReadWrite;
            match (edge.from < first, edge.to < first) {
                (true, true) if is_read => {
                    known.push((self.snapshot(edge.from), self.commit(edge.to)));
                }
                (true, true) => known.push((self.commit(edge.from), self.snapshot(edge.to))),
                (true, false) if is_read => {
                    known.push((self.snapshot(edge.from), joint(edge.to)));
                }
                (true, false) => known.push((self.commit(edge.from), joint(edge.to) + 1)),
                (false, true) => {
                    known.push((joint(edge.from), self.commit(edge.to)));
                    known.push((joint(edge.from) + 1, self.snapshot(edge.to)));
                }
                // Only moments of real time follow each other, and they stand
                // behind commits.
                (false, false) => known.push((joint(edge.from) + 1, joint(edge.to) + 1)),
            }
        }
        known.sort_unstable();
        known.dedup();
        known
    }
}
