use std::cell::OnceCell;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Examined, Expected,
    found::Found,
    graph::{self, Dependency, Edge, Joint},
    parse::{self, KeyId, Micro, Transaction, Transactions},
    serial::{self, Outcome, Problem},
    snapshot::Moments,
};
use crate::{Budget, Checker, Class, History, Value, Verdict};

/// Transactions that append to lists and read them whole. A read shows the
/// order of all versions so far, which makes this the sharpest of workloads.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListAppend {
    expected: Expected,
}

impl ListAppend {
    /// A checker that holds transactions to `expected`.
    #[must_use]
    pub const fn expecting(expected: Expected) -> Self {
        Self { expected }
    }

    /// The verdict, and on how many dependencies it rests.
    #[must_use]
    pub fn examine(&self, history: &History, budget: Budget) -> Examined {
        match Transactions::of(history) {
            Ok(transactions) => Analysis::of(&transactions).examined(self.expected, budget),
            Err(problem) => Examined::unknown(problem),
        }
    }
}

impl Checker for ListAppend {
    fn check(&self, history: &History, budget: Budget) -> Verdict {
        self.examine(history, budget).verdict
    }
}

/// A read of a list that its own transaction had not appended to before.
struct Read<'a> {
    transaction: u32,
    key: KeyId,
    /// What others had appended.
    list: &'a [Value],
}

/// Who read which list of which key, whole.
type Shown<'a> = (u32, KeyId, &'a [Value]);

/// Who was the first to read each element of a key's list.
type Readers<'a> = FxHashMap<(KeyId, &'a Value), u32>;

struct Analysis<'a> {
    transactions: &'a Transactions,
    found: Found<'a>,
    reads: Vec<Read<'a>>,
    /// Every list read, whole.
    shown: Vec<Shown<'a>>,
    /// By key, the longest list read.
    longest: Vec<&'a [Value]>,
    /// Transactions that happened: the committed ones, and those of unknown
    /// outcome of which something was read.
    is_in: Vec<bool>,
}

impl<'a> Analysis<'a> {
    fn of(transactions: &'a Transactions) -> Self {
        let is_in =
            transactions.list.iter().map(|t| t.outcome == parse::Outcome::Committed).collect();
        let mut analysis = Self {
            transactions,
            found: Found::new(transactions),
            reads: Vec::new(),
            shown: Vec::new(),
            longest: vec![&[]; transactions.keys.len()],
            is_in,
        };
        for at in 0..transactions.list.len() {
            analysis.read_transaction(at);
        }
        analysis.check_reads();
        analysis
    }

    /// Gathers the reads of a transaction, without what it had appended
    /// itself, which must stand at their ends.
    fn read_transaction(&mut self, at: usize) {
        let transaction = &self.transactions.list[at];
        if transaction.outcome != parse::Outcome::Committed {
            return;
        }
        let number = u32::try_from(at).expect("a history has < 2^32 transactions");
        let mut own: FxHashMap<KeyId, Vec<&Value>> = FxHashMap::default();
        let mut seen: FxHashMap<KeyId, &[Value]> = FxHashMap::default();
        for micro in &transaction.micros {
            let (key, value) = match micro {
                Micro::Write(key, value) => {
                    own.entry(*key).or_default().push(value);
                    continue;
                }
                Micro::Read(key, value) => (*key, value),
            };
            let list: &[Value] = match value {
                Some(Value::List(list)) => list,
                _ => &[],
            };
            let mine = own.get(&key).map_or(&[][..], |own| own);
            let split = list.len().checked_sub(mine.len());
            let head = split.filter(|&n| list[n..].iter().eq(mine.iter().copied()));
            let head = head.map(|n| &list[..n]);
            let is_same = |head: &[Value]| seen.get(&key).is_none_or(|first| *first == head);
            // Its own appends stand at the end or, still to come, nowhere.
            let is_foreign = |head: &[Value]| {
                !transaction.micros.iter().any(|micro| {
                    matches!(micro, Micro::Write(k, value) if *k == key && head.contains(value))
                })
            };
            let Some(head) = head.filter(|head| is_same(head) && is_foreign(head)) else {
                let (name, key) = (self.found.name(number), self.found.key(key).clone());
                self.found.add(Class::Internal, &[number], || {
                    format!("{name} read {key} otherwise than it had read and appended itself")
                });
                continue;
            };
            // Its own appends show the order of versions too.
            self.shown.push((number, key, list));
            let longest = &mut self.longest[key as usize];
            if list.len() > longest.len() {
                *longest = list;
            }
            if seen.insert(key, head).is_none() {
                self.reads.push(Read { transaction: number, key, list: head });
            }
        }
    }

    fn check_reads(&mut self) {
        for &(transaction, key, list) in &self.shown {
            if !self.longest[key as usize].starts_with(list) {
                let (name, key) = (self.found.name(transaction), self.found.key(key).clone());
                self.found.add(Class::IncompatibleOrder, &[transaction], || {
                    format!("{name} read {key} in an order that a longer read contradicts")
                });
            }
        }
        for at in 0..self.reads.len() {
            let Read { transaction, key, list } = self.reads[at];
            self.check_last(transaction, key, list);
        }
        // Everything that happened shows in the longest list, and it is enough
        // to look at that for aborted writes.
        let readers = OnceCell::new();
        for key in 0..self.longest.len() {
            let number = u32::try_from(key).expect("a history has < 2^32 keys");
            self.check_list(number, self.longest[key], &readers);
        }
    }

    /// A read must not end with something that its transaction went on from.
    fn check_last(&mut self, reader: u32, key: KeyId, list: &[Value]) {
        let Some(last) = list.last() else { return };
        let Some(&(writer, place)) = self.transactions.writers.get(&(key, last.clone())) else {
            return;
        };
        if writer != reader && !self.transactions.is_final(writer, place, key) {
            let (reading, writing) = (self.found.name(reader), self.found.name(writer));
            let key = self.found.key(key).clone();
            self.found.add(Class::G1b, &[writer, reader], || {
                format!("{reading} read {key} up to {last}, behind which {writing} appended more")
            });
        }
    }

    fn check_list(&mut self, key: KeyId, list: &'a [Value], readers: &OnceCell<Readers<'a>>) {
        let mut seen: FxHashSet<&Value> = FxHashSet::default();
        for element in list {
            // Only what is wrong is asked for its reader.
            let reader = || readers.get_or_init(|| first_readers(&self.shown))[&(key, element)];
            if !seen.insert(element) {
                let reader = reader();
                let key = self.found.key(key).clone();
                self.found.add(Class::IncompatibleOrder, &[reader], || {
                    format!("{element} stands twice in {key}")
                });
            }
            let Some(writer) = self.transactions.writer(key, element) else {
                let reader = reader();
                let key = self.found.key(key).clone();
                self.found.add(Class::PhantomRead, &[reader], || {
                    format!("{element} was read in {key} and nobody appended it")
                });
                continue;
            };
            if self.transactions.list[writer as usize].outcome == parse::Outcome::Aborted {
                let reader = reader();
                let (writing, reading) = (self.found.name(writer), self.found.name(reader));
                let key = self.found.key(key).clone();
                self.found.add(Class::G1a, &[writer, reader], || {
                    format!(
                        "{reading} read {element} in {key}, which {writing} appended and aborted"
                    )
                });
                continue;
            }
            self.is_in[writer as usize] = true;
        }
    }

    /// Appends that happened and that no read shows come after all that do.
    fn unread(&self) -> Vec<(KeyId, u32)> {
        let mut shown: FxHashSet<(KeyId, &Value)> = FxHashSet::default();
        for (key, list) in (0..).zip(&self.longest) {
            shown.extend(list.iter().map(|element| (key, element)));
        }
        let mut unread = Vec::new();
        for ((key, value), (writer, _)) in &self.transactions.writers {
            if self.is_in[*writer as usize] && !shown.contains(&(*key, value)) {
                unread.push((*key, *writer));
            }
        }
        unread.sort_unstable();
        unread.dedup();
        unread
    }

    fn edges(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        let mut edge = |from: u32, to: u32, dependency, key| {
            edges.push(Edge { from, to, dependency, key });
        };
        // By key: what comes behind everything that was read.
        let mut tails: Vec<Joint> = self.longest.iter().map(|_| Joint::default()).collect();
        for (key, writer) in self.unread() {
            tails[key as usize].after.push(writer);
        }
        for (key, list) in (0..).zip(&self.longest) {
            let writers: Vec<Option<u32>> =
                list.iter().map(|element| self.transactions.writer(key, element)).collect();
            for pair in writers.windows(2) {
                if let [Some(before), Some(after)] = pair {
                    edge(*before, *after, Dependency::WriteWrite, key);
                }
            }
            if let Some(Some(last)) = writers.last() {
                tails[key as usize].before.push((*last, Dependency::WriteWrite));
            }
        }
        for read in &self.reads {
            let writer = |element: &Value| self.transactions.writer(read.key, element);
            if let Some(writer) = read.list.last().and_then(writer) {
                edge(writer, read.transaction, Dependency::WriteRead, read.key);
            }
            match self.longest[read.key as usize].get(read.list.len()) {
                Some(next) => {
                    if let Some(writer) = writer(next) {
                        edge(read.transaction, writer, Dependency::ReadWrite, read.key);
                    }
                }
                None => {
                    let before = (read.transaction, Dependency::ReadWrite);
                    tails[read.key as usize].before.push(before);
                }
            }
        }
        let nodes = u32::try_from(self.transactions.list.len()).expect("< 2^31 transactions");
        for (key, tail) in (0..).zip(tails) {
            tail.join(nodes + key, key, &mut edges);
        }
        edges
    }

    /// Transactions that read the same version of a key and appended to it.
    fn lost_updates(&mut self) {
        let mut replaced: FxHashMap<(KeyId, usize), u32> = FxHashMap::default();
        for at in 0..self.reads.len() {
            let Read { transaction, key, list } = self.reads[at];
            let micros = &self.transactions.list[transaction as usize].micros;
            if !micros.iter().any(|micro| matches!(micro, Micro::Write(k, _) if *k == key)) {
                continue;
            }
            let Some(first) = replaced.insert((key, list.len()), transaction) else { continue };
            let (one, two) = (self.found.name(first), self.found.name(transaction));
            let key = self.found.key(key).clone();
            self.found.add(Class::LostUpdate, &[first, transaction], || {
                format!("{one} and {two} read the same version of {key} and both appended to it")
            });
        }
    }

    fn examined(mut self, expected: Expected, budget: Budget) -> Examined {
        self.lost_updates();
        let edges = self.edges();
        let dependencies = graph::dependencies(&edges, self.transactions.list.len());
        self.found.dependencies(edges.clone(), expected);
        let mut undecided = Vec::new();
        // What is serializable is snapshot-isolated.
        let is_asked =
            expected == Expected::SnapshotIsolation || self.found.excludes(Expected::Serializable);
        if is_asked
            && expected >= Expected::SnapshotIsolation
            && !self.found.excludes(Expected::SnapshotIsolation)
        {
            self.snapshots(&edges, budget, &mut undecided);
        }
        self.found.examined(expected, &undecided, dependencies)
    }

    /// Looks for a snapshot and a commit of each transaction.
    fn snapshots(
        &mut self,
        edges: &[Edge],
        budget: Budget,
        undecided: &mut Vec<(Expected, String)>,
    ) {
        let moments = Moments::of(self.transactions.list.len());
        let mut problem = Problem::new(self.transactions.keys.len());
        let place = |t: &Transaction| t.complete.unwrap_or(t.invoke).0;
        let places: Vec<u64> = self.transactions.list.iter().map(place).collect();
        problem.priority = [places.clone(), places].concat();
        problem.known = moments.known(edges);
        let last = problem.known.iter().map(|(from, to)| from.max(to) + 1).max().unwrap_or(0);
        let nodes = problem.priority.len().max(last as usize);
        problem.priority.resize(nodes, 0);
        for ((key, _), (writer, _)) in &self.transactions.writers {
            if self.is_in[*writer as usize] {
                let span = (moments.snapshot(*writer), moments.commit(*writer));
                problem.spans[*key as usize].push(span);
            }
        }
        for spans in &mut problem.spans {
            spans.sort_unstable();
            spans.dedup();
        }
        match moments.transactions(serial::solve(&problem, serial::steps(budget))) {
            Outcome::Serializable => {}
            Outcome::Undecided => {
                let why = serial::undecided("snapshots and commits", self.transactions, budget);
                undecided.push((Expected::SnapshotIsolation, why));
            }
            Outcome::Contradiction(members) => {
                let names: Vec<String> = members.iter().map(|at| self.found.name(*at)).collect();
                self.found.add(Class::NotSnapshotIsolated, &members, || {
                    format!(
                        "no choice of a snapshot and a commit for each of {} explains what they \
                         read and that all of them could commit",
                        names.join(", ")
                    )
                });
            }
        }
    }
}

fn first_readers<'a>(shown: &[Shown<'a>]) -> Readers<'a> {
    let mut first = Readers::default();
    for &(reader, key, list) in shown {
        for element in list {
            first.entry((key, element)).or_insert(reader);
        }
    }
    first
}
