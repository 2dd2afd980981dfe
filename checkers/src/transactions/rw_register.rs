use rustc_hash::FxHashMap;

use super::{
    Examined, Expected,
    found::Found,
    graph::{self, Dependency, Edge, Joint},
    parse::{self, KeyId, Micro, Transactions},
    real_time,
    serial::{self, From, Outcome, Problem, Touch},
    snapshot::Moments,
};
use crate::{Budget, Checker, Class, History, Value, Verdict};

/// Transactions that read and write registers. Written values are unique by
/// key, and nil is what every key holds at first.
///
/// Which version follows which is known where a transaction read one and wrote
/// the next, and for the initial version. Where that decides nothing, an order
/// of all transactions is looked for that explains every read: the answer is
/// exact, or unknown when the budget is spent.
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

    /// The verdict, and on how many dependencies it rests.
    #[must_use]
    pub fn examine(&self, history: &History, budget: Budget) -> Examined {
        match Transactions::of(history) {
            Ok(transactions) => match transactions.writes_nil() {
                Some(problem) => Examined::unknown(problem),
                None => Analysis::of(&transactions).examined(self.expected, budget),
            },
            Err(problem) => Examined::unknown(problem),
        }
    }
}

impl Checker for RwRegister {
    fn check(&self, history: &History, budget: Budget) -> Verdict {
        self.examine(history, budget).verdict
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
            if transaction.outcome == parse::Outcome::Committed {
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
        } else if self.transactions.list[writer as usize].outcome == parse::Outcome::Aborted {
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
            if self.transactions.list[to as usize].outcome == parse::Outcome::Committed {
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

    fn examined(mut self, expected: Expected, budget: Budget) -> Examined {
        self.lost_updates();
        let edges = self.edges();
        let dependencies = graph::dependencies(&edges, self.transactions.list.len());
        self.found.dependencies(edges, expected);
        let mut undecided = Vec::new();
        // The strongest first: who finds an order in real time need not look
        // for one without it, nor for snapshots. Below that, reads alone decide.
        let searched = [
            (Expected::StrictSerializable, Class::NotSerializableRealtime, "turns in real time"),
            (Expected::Serializable, Class::NotSerializable, "turns"),
            (Expected::SnapshotIsolation, Class::NotSnapshotIsolated, "snapshots and commits"),
        ];
        let all: Vec<u32> = (0..).zip(&self.transactions.list).map(|(at, _)| at).collect();
        let mut contradictions = Vec::new();
        for (level, class, what) in searched.into_iter().filter(|(level, ..)| *level <= expected) {
            if self.found.excludes(level) {
                continue;
            }
            match self.solve(level, &all, serial::steps(budget)) {
                Outcome::Serializable => break,
                Outcome::Contradiction(members) => contradictions.push((level, class, members)),
                Outcome::Undecided => {
                    let why = serial::undecided(what, self.transactions, budget);
                    undecided.push((level, why));
                }
            }
        }
        // The weakest level that is broken is told, for with it the others are.
        if let Some((level, class, members)) = contradictions.pop() {
            let members = self.fewest(level, members);
            let explanation = self.contradiction(class, &members);
            self.found.add(class, &members, || explanation);
        }
        self.found.examined(expected, &undecided, dependencies)
    }

    /// Looks for an order of the transactions, or of their moments.
    fn solve(&self, level: Expected, members: &[u32], steps: u64) -> Outcome {
        let problem = self.problem(level, members);
        let outcome = if level == Expected::SnapshotIsolation {
            let moments = Moments::of(members.len());
            moments.transactions(serial::solve(&moments.split(problem), steps))
        } else {
            serial::solve(&problem, steps)
        };
        let Outcome::Contradiction(nodes) = outcome else { return outcome };
        // Moments of real time are nobody's.
        let inside = nodes.into_iter().filter_map(|node| members.get(node as usize).copied());
        Outcome::Contradiction(inside.collect())
    }

    /// The problem of ordering some of the transactions, numbered anew.
    fn problem(&self, level: Expected, members: &[u32]) -> Problem {
        let number: FxHashMap<u32, u32> = members.iter().copied().zip(0..).collect();
        let mut problem = Problem::new(self.transactions.keys.len());
        for &member in members {
            let transaction = &self.transactions.list[member as usize];
            let place = transaction.complete.unwrap_or(transaction.invoke);
            problem.priority.push(place.0);
        }
        // What was read of transactions of unknown outcome has happened.
        let mut touched: FxHashMap<(KeyId, u32), Touch> = FxHashMap::default();
        let mut happened: Vec<bool> = members.iter().map(|at| self.is_committed(*at)).collect();
        for read in &self.reads {
            let Some(&node) = number.get(&read.transaction) else { continue };
            let from = if read.value.is_nil() {
                Some(From::Initial)
            } else {
                let writer = self.transactions.writer(read.key, read.value);
                writer.and_then(|writer| number.get(&writer)).map(|writer| From::Writer(*writer))
            };
            let Some(from) = from else { continue };
            if let From::Writer(writer) = from {
                happened[writer as usize] = true;
                problem.known.push((writer, node));
            }
            touched.insert((read.key, node), Touch { node, read: Some(from), writes: false });
        }
        for ((key, _), (writer, _)) in &self.transactions.writers {
            let Some(&node) = number.get(writer).filter(|node| happened[**node as usize]) else {
                continue;
            };
            let touch = Touch { node, read: None, writes: false };
            touched.entry((*key, node)).or_insert(touch).writes = true;
        }
        for ((key, _), touch) in touched {
            problem.keys[key as usize].push(touch);
        }
        problem.keys.iter_mut().for_each(|key| key.sort_unstable_by_key(|touch| touch.node));
        if level == Expected::StrictSerializable {
            self.add_real_time(members, &mut problem);
        }
        problem.known.sort_unstable();
        problem.known.dedup();
        problem
    }

    fn add_real_time(&self, members: &[u32], problem: &mut Problem) {
        if members.len() < self.transactions.list.len() {
            for (from, &first) in (0..).zip(members) {
                let later = (0..)
                    .zip(members)
                    .filter(|(_, second)| self.transactions.is_before(first, **second));
                problem.known.extend(later.map(|(to, _)| (from, to)));
            }
            return;
        }
        let nodes = u32::try_from(members.len()).expect("< 2^31 transactions");
        let edges = real_time::edges(self.transactions, nodes);
        let pairs = edges.iter().map(|edge| (edge.from, edge.to));
        let last = pairs.clone().map(|(from, to)| from.max(to) + 1).max().unwrap_or(nodes);
        problem.priority.resize(last.max(nodes) as usize, 0);
        problem.known.extend(pairs);
    }

    fn is_committed(&self, transaction: u32) -> bool {
        self.transactions.list[transaction as usize].outcome == parse::Outcome::Committed
    }

    /// As few of the members as contradict each other still.
    fn fewest(&self, level: Expected, members: Vec<u32>) -> Vec<u32> {
        let contradict = |members: &[u32]| {
            matches!(self.solve(level, members, STEPS_EACH), Outcome::Contradiction(_))
        };
        let mut kept = members;
        if kept.len() > MAX_MEMBERS || !contradict(&kept) {
            return kept;
        }
        for member in kept.clone() {
            let rest: Vec<u32> = kept.iter().copied().filter(|other| *other != member).collect();
            if contradict(&rest) {
                kept = rest;
            }
        }
        kept
    }

    fn contradiction(&self, class: Class, members: &[u32]) -> String {
        let names: Vec<String> = members.iter().map(|at| self.found.name(*at)).collect();
        let mut said: Vec<String> = Vec::new();
        for &member in members {
            let name = self.found.name(member);
            for read in self.reads.iter().filter(|read| read.transaction == member) {
                let key = self.found.key(read.key);
                let writer = self.transactions.writer(read.key, read.value);
                match writer {
                    Some(writer) if members.contains(&writer) => said.push(format!(
                        "{name} read {} of {key}, which {} wrote",
                        read.value,
                        self.found.name(writer)
                    )),
                    None => said.push(format!("{name} read {key} before anybody wrote it")),
                    Some(_) => {}
                }
            }
            for micro in &self.transactions.list[member as usize].micros {
                if let Micro::Write(key, value) = micro {
                    said.push(format!("{name} wrote {value} to {}", self.found.key(*key)));
                }
            }
        }
        let what = match class {
            Class::NotSnapshotIsolated => "no choice of a snapshot and a commit for each",
            Class::NotSerializableRealtime => "no order in real time",
            _ => "no order",
        };
        let more = said.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        said.truncate(SHOWN);
        format!("{what} of {} explains what they read: {}{more}", names.join(", "), said.join(", "))
    }
}

/// The most that go into one question about a witness.
const STEPS_EACH: u64 = 100_000;

/// Witnesses of more transactions are left as they are.
const MAX_MEMBERS: usize = 100;

/// More reads and writes of a witness are only counted.
const SHOWN: usize = 12;
