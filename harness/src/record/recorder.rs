use std::sync::{Mutex, MutexGuard, PoisonError};

use quarrel_checkers::{Event, History, Index, Kind, Op, Process, Step, Time, Value};

use super::Clock;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An operation begins or ends.
    Event(Event),
    /// A call to a store ended, or was given up.
    Step(Step),
}

/// Collects the history of a run, from any number of clients at once.
#[derive(Debug)]
pub struct Recorder {
    clock: Clock,
    journal: Mutex<Journal>,
}

#[derive(Debug, Default)]
struct Journal {
    records: Vec<Record>,
    events: u64,
    /// How many records [`Recorder::drain`] has handed out.
    drained: usize,
}

impl Recorder {
    /// A recorder that stamps with `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, journal: Mutex::default() }
    }

    /// The time on the run's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// The run's clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Records that `process` begins `op`. Call it before the first step.
    pub fn invoke(&self, process: Process, op: Op) -> Index {
        self.event(process, Kind::Invoke, op, None)
    }

    /// Records how an operation of `process` ended. Call it after the last
    /// step.
    pub fn complete(&self, process: Process, kind: Kind, op: Op, error: Option<String>) -> Index {
        self.event(process, kind, op, error)
    }

    /// Records something that the nemesis did. Both the begin and the end of
    /// what it does are of kind info.
    pub fn nemesis(&self, f: &str, value: Value) -> Index {
        let op = Op { f: f.into(), key: None, value, version: None };
        self.event(Process::Nemesis, Kind::Info, op, None)
    }

    /// Records a step that ended or was given up.
    pub fn step(&self, step: Step) {
        self.lock().records.push(Record::Step(step));
    }

    /// Everything recorded since the last call, oldest first.
    #[must_use]
    pub fn drain(&self) -> Vec<Record> {
        let mut journal = self.lock();
        let new = journal.records[journal.drained..].to_vec();
        journal.drained = journal.records.len();
        new
    }

    /// How many events there are so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.lock().events
    }

    /// The history recorded so far.
    #[must_use]
    pub fn history(&self) -> History {
        let mut history = History::default();
        for record in &self.lock().records {
            match record {
                Record::Event(event) => history.events.push(event.clone()),
                Record::Step(step) => history.steps.push(step.clone()),
            }
        }
        history
    }

    fn event(&self, process: Process, kind: Kind, op: Op, error: Option<String>) -> Index {
        let mut journal = self.lock();
        // Read under the lock, so that times in the history never go back.
        let time = self.clock.now();
        let index = Index(journal.events);
        journal.events += 1;
        journal.records.push(Record::Event(Event { index, time, process, kind, op, error }));
        index
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        // A client that panicked inside a push leaves whole records behind.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
