use std::cell::OnceCell;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Examined, Expected,
    execution::{self, Execution, NONE, Written},
    found::Found,
    ladder::Ladder,
    parse::{self, KeyId, Micro, Transactions},
    serial::From,
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

/// A read of a list.
#[derive(Clone, Copy)]
struct Read<'a> {
    transaction: u32,
    key: KeyId,
    /// What others had appended.
    list: &'a [Value],
    /// Whether its transaction had not appended to it before.
    is_first: bool,
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
        for (place, micro) in transaction.micros.iter().enumerate() {
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
            // Its own appends show the order of versions too.
            self.shown.push((number, key, list));
            let longest = &mut self.longest[key as usize];
            if list.len() > longest.len() {
                *longest = list;
            }
            let is_later = |micro: &Micro| matches!(micro, Micro::Write(k, value) if *k == key && list.contains(value));
            if transaction.micros[place..].iter().any(is_later) {
                let (name, key) = (self.found.name(number), self.found.key(key).clone());
                self.found.add(Class::FutureRead, &[number], || {
                    format!("{name} read in {key} what it appended only afterwards")
                });
            }
            let split = list.len().saturating_sub(mine.len());
            let is_complete = list[split..].iter().eq(mine.iter().copied());
            let is_own = |element: &&Value| mine.contains(element);
            let tail = list.iter().rev().take_while(is_own).count();
            let head = &list[..if is_complete { split } else { list.len() - tail }];
            let is_same = seen.get(&key).is_none_or(|first| *first == head);
            if !is_complete || !is_same || head.iter().any(|element| mine.contains(&element)) {
                let (name, key) = (self.found.name(number), self.found.key(key).clone());
                self.found.add(Class::Internal, &[number], || {
                    format!("{name} read {key} otherwise than it had read and appended itself")
                });
            }
            seen.entry(key).or_insert(head);
            let is_first = mine.is_empty();
            self.reads.push(Read { transaction: number, key, list: head, is_first });
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
            let Read { transaction, key, list, .. } = self.reads[at];
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

    /// Who read what of whom, and who wrote what.
    fn execution(&self) -> Execution {
        let mut execution = Execution::new(self.transactions, &self.is_in);
        let mut places: FxHashMap<(KeyId, &Value), u32> = FxHashMap::default();
        // By key: how many of the first elements happened.
        let mut counts: Vec<Vec<u32>> = Vec::with_capacity(self.longest.len());
        for (key, list) in (0..).zip(&self.longest) {
            let order = &mut execution.order[key as usize];
            let mut count = vec![0];
            for element in *list {
                let writer = self.transactions.writer(key, element);
                let writer = writer.filter(|writer| self.is_in[*writer as usize]);
                if let Some(writer) = writer {
                    let place = u32::try_from(order.len()).expect("< 2^32 versions");
                    places.entry((key, element)).or_insert(place);
                    order.push(writer);
                }
                count.push(u32::try_from(order.len()).expect("< 2^32 versions"));
            }
            counts.push(count);
        }
        for read in &self.reads {
            let Read { transaction, key, list, is_first } = *read;
            let length = counts[key as usize][list.len()];
            let order = &execution.order[key as usize];
            let last = length.checked_sub(1).map(|last| order[last as usize]);
            let from = last.map_or(From::Initial, From::Writer);
            let read = execution::Read { transaction, key, from, length, is_first };
            if from != From::Writer(transaction) {
                execution.reads[transaction as usize].push(read);
            }
        }
        for ((key, value), (writer, _)) in &self.transactions.writers {
            if self.is_in[*writer as usize] {
                let place = places.get(&(*key, value)).copied().unwrap_or(NONE);
                execution.writes[*writer as usize].push(Written { key: *key, place });
            }
        }
        for writes in &mut execution.writes {
            writes.sort_unstable();
            // The last one stands for all.
            writes.reverse();
            writes.dedup_by_key(|written| written.key);
            writes.reverse();
        }
        execution
    }

    /// Transactions that read the same version of a key and appended to it.
    fn lost_updates(&mut self) {
        let mut replaced: FxHashMap<(KeyId, usize), u32> = FxHashMap::default();
        for at in 0..self.reads.len() {
            let Read { transaction, key, list, is_first } = self.reads[at];
            let micros = &self.transactions.list[transaction as usize].micros;
            if !is_first
                || !micros.iter().any(|micro| matches!(micro, Micro::Write(k, _) if *k == key))
            {
                continue;
            }
            let Some(first) = replaced.insert((key, list.len()), transaction) else { continue };
            if first == transaction {
                continue;
            }
            let (one, two) = (self.found.name(first), self.found.name(transaction));
            let key = self.found.key(key).clone();
            self.found.add(Class::LostUpdate, &[first, transaction], || {
                format!("{one} and {two} read the same version of {key} and both appended to it")
            });
        }
    }

    fn examined(mut self, expected: Expected, budget: Budget) -> Examined {
        self.lost_updates();
        let execution = self.execution();
        let ladder = Ladder::of_lists(self.transactions, &execution, budget);
        ladder.examined(self.found, expected)
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
