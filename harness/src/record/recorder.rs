use std::sync::{Mutex, MutexGuard, PoisonError};

use quarrel_checkers::{Event, History, Index, Kind, Op, Process, Step, Time};

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
    history: History,
    /// How many events and steps [`Recorder::drain`] has handed out.
    drained: (usize, usize),
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

    /// Records something that the nemesis did.
    pub fn nemesis(&self, f: &str, value: quarrel_checkers::Value) -> Index {
        let op = Op { f: f.into(), key: None, value, version: None };
        self.event(Process::Nemesis, Kind::Info, op, None)
    }

    /// Records a step that ended or was given up.
    pub fn step(&self, step: Step) {
        self.lock().history.steps.push(step);
    }

    /// Everything recorded since the last call, oldest first within events and
    /// within steps.
    #[must_use]
    pub fn drain(&self) -> Vec<Record> {
        let mut journal = self.lock();
        let (events, steps) = journal.drained;
        let history = &journal.history;
        let records = history.events[events..]
            .iter()
            .cloned()
            .map(Record::Event)
            .chain(history.steps[steps..].iter().cloned().map(Record::Step))
            .collect();
        journal.drained = (journal.history.events.len(), journal.history.steps.len());
        records
    }

    /// How many operations were begun and how many ended so far.
    #[must_use]
    pub fn progress(&self) -> usize {
        self.lock().history.events.len()
    }

    /// Takes the history recorded so far and leaves an empty one.
    #[must_use]
    pub fn take(&self) -> History {
        let mut journal = self.lock();
        journal.drained = (0, 0);
        std::mem::take(&mut journal.history)
    }

    fn event(&self, process: Process, kind: Kind, op: Op, error: Option<String>) -> Index {
        let mut journal = self.lock();
        // Read under the lock, so that times in the history never go back.
        let time = self.clock.now();
        journal.history.push(time, process, kind, op, error)
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        // A client that panicked inside a push leaves whole events behind.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
