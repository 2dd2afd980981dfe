use rustc_hash::FxHashMap;

use super::{
    Expected,
    found::Found,
    graph::{Dependency, Edge, Joint},
    parse::{KeyId, Micro, Outcome, Transactions},
};
use crate::{Budget, Checker, Class, History, Value, Verdict};

/// Transactions that read and write registers. Written values are unique by
/// key, and nil is what every key holds at first.
///
/// Which version follows which is known only where a transaction read one and
/// wrote the next, and for the initial version, so that this finds less than
/// [`ListAppend`](super::ListAppend).
#[derive(Clone, Copy, Debug, Default)]
pub struct RwRegister {
    expected: Expected,
}

impl RwRegister {
    /// A checker that holds transactions to `expected`.
    #[must_use]
    pub const fn expecting(expected: Expected) -> Self {
        Self { expected }
    }
}

impl Checker for RwRegister {
    fn check(&self, history: &History, _: Budget) -> Verdict {
        match Transactions::of(history) {
            Ok(transactions) => Analysis::of(&transactions).verdict(self.expected),
            Err(problem) => Verdict::unknown(problem),
        }
    }
}

/// A read of what another transaction wrote.
#[derive(Clone, Copy)]
struct Read<'a> {
    transaction: u32,
    key: KeyId,
    value: &'a Value,
}

struct Analysis<'a> {
    transactions: &'a Transactions,
    found: Found<'a>,
    reads: Vec<Read<'a>>,
    /// Versions and what a transaction wrote after it had read them.
    followed: Vec<(Read<'a>, &'a Value)>,
}

impl<'a> Analysis<'a> {
    fn of(transactions: &'a Transactions) -> Self {
        let found = Found::new(transactions);
        let mut analysis = Self { transactions, found, reads: Vec::new(), followed: Vec::new() };
        for (at, transaction) in (0..).zip(&transactions.list) {
            if transaction.outcome == Outcome::Committed {
                analysis.read_transaction(at, &transaction.micros);
            }
        }
        for at in 0..analysis.reads.len() {
            analysis.check_read(analysis.reads[at]);
        }
        analysis
    }

    fn read_transaction(&mut self, transaction: u32, micros: &'a [Micro]) {
        // What the transaction holds of each key, and whether it is its own.
        let mut held: FxHashMap<KeyId, &Value> = FxHashMap::default();
        let mut first: FxHashMap<KeyId, Read<'a>> = FxHashMap::default();
        let mut own: FxHashMap<KeyId, &'a Value> = FxHashMap::default();
        for micro in micros {
            match micro {
                Micro::Write(key, value) => {
                    held.insert(*key, value);
                    own.insert(*key, value);
                }
                Micro::Read(key, value) => {
                    let value = value.as_ref().unwrap_or(&Value::Nil);
                    if let Some(before) = held.insert(*key, value) {
                        if before != value {
                            let (name, key) =
                                (self.found.name(transaction), self.found.key(*key).clone());
                            self.found.add(Class::Internal, &[transaction], || {
                                format!("{name} read {value} of {key}, but had {before} before")
                            });
                        }
                        continue;
                    }
                    let read = Read { transaction, key: *key, value };
                    self.reads.push(read);
                    first.insert(*key, read);
                }
            }
        }
        for (key, read) in first {
            self.followed.extend(own.get(&key).map(|written| (read, *written)));
        }
    }

    fn check_read(&mut self, read: Read<'_>) {
        if read.value.is_nil() {
            return;
        }
        let (name, key) = (self.found.name(read.transaction), self.found.key(read.key).clone());
        let value = read.value;
        let Some(&(writer, place)) = self.transactions.writers.get(&(read.key, value.clone()))
        else {
            self.found.add(Class::PhantomRead, &[read.transaction], || {
                format!("{name} read {value} of {key}, which nobody wrote")
            });
            return;
        };
        let writing = self.found.name(writer);
        if writer == read.transaction {
            self.found.add(Class::Internal, &[writer], || {
                format!("{name} read {value} of {key} before it wrote it itself")
            });
        } else if self.transactions.list[writer as usize].outcome == Outcome::Aborted {
            self.found.add(Class::G1a, &[writer, read.transaction], || {
                format!("{name} read {value} of {key}, which {writing} wrote and aborted")
            });
        } else if !self.transactions.is_final(writer, place, read.key) {
            self.found.add(Class::G1b, &[writer, read.transaction], || {
                format!("{name} read {value} of {key}, which {writing} overwrote itself")
            });
        }
    }

    fn edges(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        let writer = |key: KeyId, value: &Value| self.transactions.writer(key, value);
        // Readers of a version by key and value, for the next version's writer.
        let mut readers: FxHashMap<(KeyId, &Value), Vec<u32>> = FxHashMap::default();
        // Every write that happened comes after the initial version.
        let mut initial: Vec<Joint> =
            self.transactions.keys.iter().map(|_| Joint::default()).collect();
        for read in &self.reads {
            let (key, to) = (read.key, read.transaction);
            readers.entry((key, read.value)).or_default().push(to);
            if read.value.is_nil() {
                initial[key as usize].before.push((to, Dependency::ReadWrite));
            } else if let Some(from) = writer(key, read.value) {
                edges.push(Edge { from, to, dependency: Dependency::WriteRead, key });
            }
        }
        for ((key, _), &(to, _)) in &self.transactions.writers {
            if self.transactions.list[to as usize].outcome == Outcome::Committed {
                initial[*key as usize].after.push(to);
            }
        }
        for (read, _) in &self.followed {
            let (key, to) = (read.key, read.transaction);
            if let Some(from) = writer(key, read.value) {
                edges.push(Edge { from, to, dependency: Dependency::WriteWrite, key });
            }
            for &from in readers.get(&(key, read.value)).into_iter().flatten() {
                edges.push(Edge { from, to, dependency: Dependency::ReadWrite, key });
            }
        }
        let nodes = u32::try_from(self.transactions.list.len()).expect("< 2^31 transactions");
        for (key, mut joint) in (0..).zip(initial) {
            joint.after.sort_unstable();
            joint.after.dedup();
            joint.join(nodes + key, key, &mut edges);
        }
        edges
    }

    fn lost_updates(&mut self) {
        let mut replaced: FxHashMap<(KeyId, &Value), u32> = FxHashMap::default();
        self.followed.sort_unstable_by_key(|(read, _)| (read.transaction, read.key));
        for at in 0..self.followed.len() {
            let (read, _) = self.followed[at];
            let second = read.transaction;
            let Some(first) = replaced.insert((read.key, read.value), second) else { continue };
            let (one, two) = (self.found.name(first), self.found.name(second));
            let key = self.found.key(read.key).clone();
            self.found.add(Class::LostUpdate, &[first, second], || {
                format!("{one} and {two} read {} of {key} and both replaced it", read.value)
            });
        }
    }

    fn verdict(mut self, expected: Expected) -> Verdict {
        self.lost_updates();
        let edges = self.edges();
        self.found.dependencies(edges, expected);
        self.found.verdict()
    }
}
