//! Histories to try checkers on: clients at random against a store that is
//! simulated, of known strength.
//!
//! ```
//! use quarrel_checkers::{Guarantee, JudgeOptions, generate::{GeneratedLoad, Store}, judge};
//!
//! let load = GeneratedLoad { operations: 1_000, seed: 7, ..GeneratedLoad::default() };
//! let judged = |store| judge(&GeneratedLoad { store, ..load }.history(), &[], &JudgeOptions::default());
//! assert_eq!(judged(Store::Linearizable).strongest, Guarantee::Linearizable);
//! let lagging = Store::Replica { lag_ns: 20_000 };
//! assert_ne!(judged(lagging).strongest, Guarantee::Linearizable);
//! ```

mod random;
mod store;

pub use random::Random;

use std::{cmp::Reverse, collections::BinaryHeap};

use store::Simulated;

use crate::{
    Event, F, History, Index, Key, Kind, Op, Process, Time, Value,
    register::{DenseRecord, DenseRecords, OPEN},
};

/// What answers the clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Store {
    /// One copy; every operation takes effect at one instant while it runs.
    #[default]
    Linearizable,
    /// Writes go to one copy, reads to another that is so much behind.
    /// Sessions are not kept together.
    Replica {
        /// How many nanoseconds it is behind.
        lag_ns: u64,
    },
    /// Some acknowledged writes never happen.
    Lossy {
        /// How many in a thousand.
        lost_permille: u64,
    },
    /// Linearizable but for one read: the first one from this operation on
    /// that can be, returns a value overwritten long before.
    OneStaleRead {
        /// The number of the operation.
        from: u64,
    },
}

/// Clients and what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GeneratedLoad {
    /// Operations in all.
    pub operations: u64,
    /// Clients at once.
    pub clients: u64,
    /// Keys, chosen uniformly.
    pub keys: u64,
    /// Writes in a thousand operations; the rest are reads.
    pub writes_permille: u64,
    /// Writes in a thousand whose outcome the client never learns. Half of
    /// them happen.
    pub indeterminate_permille: u64,
    /// What answers.
    pub store: Store,
    /// The same seed gives the same history.
    pub seed: u64,
}

impl Default for GeneratedLoad {
    fn default() -> Self {
        Self {
            operations: 1_000,
            clients: 8,
            keys: 1,
            writes_permille: 500,
            indeterminate_permille: 0,
            store: Store::Linearizable,
            seed: 0,
        }
    }
}

/// The longest that an operation or a pause takes, in nanoseconds.
const LONGEST_NS: u64 = 10_000;

/// An operation of the simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    pub(crate) process: u64,
    pub(crate) key: u64,
    pub(crate) is_write: bool,
    pub(crate) is_open: bool,
    pub(crate) invoked: u64,
    /// The number of the value, 0 if absent. Over all keys and without gaps.
    pub(crate) value: u64,
    pub(crate) version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Invoke,
    Effect,
    Return,
}

impl GeneratedLoad {
    /// Runs the clients; `on` is told of every invocation and every return, in
    /// order of time.
    fn run(&self, mut on: impl FnMut(u64, Kind, &Ran)) {
        let mut random = Random::seeded(self.seed);
        let mut store = Simulated::new(self.store, self.keys.max(1));
        let clients = self.clients.max(1);
        let mut running: Vec<Option<(Ran, u64)>> = vec![None; clients as usize];
        let mut processes: Vec<u64> = (0..clients).collect();
        let mut agenda = BinaryHeap::new();
        for client in 0..clients.min(self.operations) {
            agenda.push(Reverse((random.below(LONGEST_NS), Happens::Invoke, client)));
        }
        let (mut begun, mut written) = (0, 0);
        while let Some(Reverse((now, happens, client))) = agenda.pop() {
            let at = client as usize;
            match happens {
                Happens::Invoke if begun >= self.operations => {}
                Happens::Invoke => {
                    begun += 1;
                    let is_write = random.permille(self.writes_permille);
                    let is_open = is_write && random.permille(self.indeterminate_permille);
                    written += u64::from(is_write);
                    let ran = Ran {
                        process: processes[at],
                        key: random.below(self.keys.max(1)),
                        is_write,
                        is_open,
                        invoked: now,
                        value: if is_write { written } else { 0 },
                        version: 0,
                    };
                    on(now, Kind::Invoke, &ran);
                    let effect = now + 1 + random.below(LONGEST_NS);
                    running[at] = Some((ran, effect + 1 + random.below(LONGEST_NS)));
                    agenda.push(Reverse((effect, Happens::Effect, client)));
                }
                Happens::Effect => {
                    let (ran, returns) = running[at].as_mut().expect("it was invoked");
                    if !ran.is_open || random.permille(500) {
                        store.apply(now, begun, ran, &mut random);
                    }
                    agenda.push(Reverse((*returns, Happens::Return, client)));
                }
                Happens::Return => {
                    let (ran, _) = running[at].take().expect("it was invoked");
                    on(now, if ran.is_open { Kind::Info } else { Kind::Ok }, &ran);
                    if ran.is_open {
                        processes[at] += clients;
                    }
                    let next = now + 1 + random.below(LONGEST_NS);
                    agenda.push(Reverse((next, Happens::Invoke, client)));
                }
            }
        }
    }

    /// Tells `on` every event, in order, without keeping any.
    pub fn each_event(&self, mut on: impl FnMut(Event)) {
        let mut next = 0;
        self.run(|now, kind, ran| {
            let value = if ran.value == 0 { Value::Nil } else { Value::Int(ran.value as i64) };
            let is_answer = kind == Kind::Ok;
            let op = Op {
                f: if ran.is_write { F::Write } else { F::Read },
                key: Some(Key(ran.key)),
                value: if ran.is_write || is_answer { value } else { Value::Nil },
                version: is_answer.then_some(ran.version),
            };
            let (index, process) = (Index(next), Process::Client(ran.process));
            next += 1;
            on(Event { index, time: Time(now), process, kind, op, timeline: None, error: None });
        });
    }

    /// The history, with versions.
    #[must_use]
    pub fn history(&self) -> History {
        let mut history = History::default();
        self.each_event(|event| history.events.push(event));
        history
    }

    /// The same as records for the fast check, values numbered from 0.
    #[must_use]
    pub fn records(&self) -> DenseRecords {
        let mut records = DenseRecords::with_capacity(self.operations as usize);
        let mut open = Vec::new();
        let number = |n: u64| u32::try_from(n).expect("a workload has < 2^31 operations");
        self.run(|now, kind, ran| {
            let value = if ran.value == 0 { DenseRecord::INITIAL } else { number(ran.value) - 1 };
            let key = number(ran.key);
            match kind {
                Kind::Invoke => {}
                Kind::Info => open.push(DenseRecord::write(key, value, ran.invoked, OPEN)),
                _ => {
                    let record = if ran.is_write { DenseRecord::write } else { DenseRecord::read };
                    let pushed = records.push(record(key, value, ran.invoked, now));
                    pushed.expect("returns come in order");
                }
            }
        });
        open.into_iter().for_each(|record| records.push(record).expect("they return last"));
        records
    }
}
