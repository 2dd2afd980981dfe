use rustc_hash::FxHashMap;

use super::{
    Examined, Expected,
    execution::{self, Execution, NONE, Written},
    found::Found,
    ladder::Ladder,
    parse::{self, KeyId, Micro, Transactions},
    serial::From,
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
    /// Its place in its transaction.
    place: u32,
    /// Whether the transaction had not read or written the key before.
    is_first: bool,
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
        let mut held: FxHashMap<KeyId, (&Value, Whose)> = FxHashMap::default();
        let mut first: FxHashMap<KeyId, Read<'a>> = FxHashMap::default();
        let mut own: FxHashMap<KeyId, &'a Value> = FxHashMap::default();
        for (place, micro) in (0..).zip(micros) {
            match micro {
                Micro::Write(key, value) => {
                    held.insert(*key, (value, Whose::Own));
                    own.insert(*key, value);
                }
                Micro::Read(key, value) => {
                    let value = value.as_ref().unwrap_or(&Value::Nil);
                    let before = held.get(key).copied();
                    if before == Some((value, Whose::Own)) {
                        continue;
                    }
                    if let Some((before, _)) = before.filter(|(before, _)| *before != value) {
                        let (name, key) =
                            (self.found.name(transaction), self.found.key(*key).clone());
                        self.found.add(Class::Internal, &[transaction], || {
                            format!("{name} read {value} of {key}, but had {before} before")
                        });
                    }
                    held.insert(*key, (value, Whose::Others));
                    let is_first = before.is_none();
                    let read = Read { transaction, key: *key, value, place, is_first };
                    self.reads.push(read);
                    if is_first {
                        first.insert(*key, read);
                    }
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
            // Else it overwrote it itself, and what it had is told already.
            if read.place < place {
                self.found.add(Class::FutureRead, &[writer], || {
                    format!("{name} read {value} of {key} before it wrote it itself")
                });
            }
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

    /// Who read what of whom, and who wrote what.
    fn execution(&self) -> Execution {
        // What was read of transactions of unknown outcome has happened.
        let all = &self.transactions.list;
        let mut happened: Vec<bool> =
            all.iter().map(|t| t.outcome == parse::Outcome::Committed).collect();
        let writer_of = |read: &Read<'_>| self.transactions.writer(read.key, read.value);
        let read_of: Vec<Option<u32>> = self.reads.iter().map(writer_of).collect();
        for writer in read_of.iter().flatten() {
            happened[*writer as usize] |= all[*writer as usize].outcome == parse::Outcome::Unknown;
        }
        let mut execution = Execution::new(self.transactions, &happened);
        for (read, writer) in self.reads.iter().zip(read_of) {
            let Read { transaction, key, value, is_first, .. } = *read;
            let from = match writer {
                _ if value.is_nil() => From::Initial,
                Some(writer) if happened[writer as usize] && writer != transaction => {
                    From::Writer(writer)
                }
                // That is told by itself.
                _ => continue,
            };
            let read = execution::Read { transaction, key, from, length: 0, is_first };
            execution.reads[transaction as usize].push(read);
        }
        for ((key, _), (writer, _)) in &self.transactions.writers {
            if happened[*writer as usize] {
                let written = Written { key: *key, place: NONE };
                execution.writes[*writer as usize].push(written);
            }
        }
        for writes in &mut execution.writes {
            writes.sort_unstable();
            writes.dedup();
        }
        execution
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
        let execution = self.execution();
        let ladder = Ladder::of_registers(self.transactions, &execution, budget);
        ladder.examined(self.found, expected)
    }
}

/// Whose value a transaction holds of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Own,
    Others,
}
