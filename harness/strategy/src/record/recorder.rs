use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use quarrel_checkers::{Event, History, Index, Kind, Op, Process, Step, Time, Value};

use super::{Clock, EnvironmentFailure, Spoils};

/// The verb of a step of the nemesis that says that from there on steps are
/// missing.
pub const GAP: &str = "UNHEARD";

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
    /// What was drained stays here, too.
    keeps: Keeps,
    failure: OnceLock<EnvironmentFailure>,
}

/// What a recorder keeps of what was drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    Everything,
    Nothing,
}

#[derive(Debug, Default)]
struct Journal {
    /// What [`Recorder::drain`] has handed out, oldest first. Shared and never
    /// copied: whoever writes it down must not hold up those who record.
    drained: Vec<Arc<[Vec<Record>]>>,
    /// What it has not, in pieces of [`PIECE`] records: a piece never grows, so
    /// that no client waits while a long list is moved to a larger place.
    full: Vec<Vec<Record>>,
    /// The piece that is being filled.
    open: Vec<Record>,
    events: u64,
}

/// How many records make a piece.
const PIECE: usize = 1024;

impl Journal {
    fn push(&mut self, record: Record) {
        if self.open.len() == self.open.capacity() {
            let next = Vec::with_capacity(PIECE);
            let full = std::mem::replace(&mut self.open, next);
            if !full.is_empty() {
                self.full.push(full);
            }
        }
        self.open.push(record);
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        let drained = self.drained.iter().flat_map(|pieces| pieces.iter());
        drained.chain(&self.full).flatten().chain(&self.open)
    }
}

/// Records that were handed out together, oldest first.
#[derive(Clone, Debug)]
pub struct Records(Arc<[Vec<Record>]>);

impl Records {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.iter().flatten()
    }
}

impl Recorder {
    /// A recorder that stamps with `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::that(Keeps::Everything, clock)
    }

    /// A recorder whose history is where its journal brings it: it keeps
    /// nothing of what was drained, so that a long run needs no more memory
    /// than a short one.
    #[must_use]
    pub fn journaled(clock: Clock) -> Self {
        Self::that(Keeps::Nothing, clock)
    }

    fn that(keeps: Keeps, clock: Clock) -> Self {
        Self { clock, journal: Mutex::default(), keeps, failure: OnceLock::new() }
    }

    /// Says that the run can no longer tell what it was to tell. The first to
    /// say so is heard.
    pub fn fail(&self, what: impl Into<String>, spoils: Spoils) {
        let failure = || EnvironmentFailure { at: self.now(), what: what.into(), spoils };
        self.failure.get_or_init(failure);
    }

    /// What [`Recorder::fail`] was told.
    #[must_use]
    pub fn failure(&self) -> Option<&EnvironmentFailure> {
        self.failure.get()
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
        self.event(None, process, Kind::Invoke, op, None)
    }

    /// Records how an operation of `process` ended. Call it after the last
    /// step.
    pub fn complete(&self, process: Process, kind: Kind, op: Op, error: Option<String>) -> Index {
        self.complete_on(None, process, kind, op, error)
    }

    /// The same of a write that happened on a timeline of the primary, if it is
    /// known on which.
    pub fn complete_on(
        &self,
        timeline: Option<u32>,
        process: Process,
        kind: Kind,
        op: Op,
        error: Option<String>,
    ) -> Index {
        // The first goes without saying where a write was acknowledged.
        let timeline = timeline.filter(|timeline| *timeline > 1 || kind == Kind::Info);
        self.event(timeline, process, kind, op, error)
    }

    /// Records something that the nemesis did. Both the begin and the end of
    /// what it does are of kind info.
    pub fn nemesis(&self, f: &str, value: Value) -> Index {
        let op = Op { f: f.into(), key: None, value, version: None };
        self.event(None, Process::Nemesis, Kind::Info, op, None)
    }

    /// Records a step that ended or was given up.
    pub fn step(&self, step: Step) {
        self.lock().push(Record::Step(step));
    }

    /// Everything recorded since the last call, oldest first.
    #[must_use]
    pub fn drain(&self) -> Records {
        let mut journal = self.lock();
        let mut pieces = std::mem::take(&mut journal.full);
        let open = std::mem::take(&mut journal.open);
        if !open.is_empty() {
            pieces.push(open);
        }
        let new: Arc<[Vec<Record>]> = pieces.into();
        if !new.is_empty() && self.keeps == Keeps::Everything {
            journal.drained.push(Arc::clone(&new));
        }
        Records(new)
    }

    /// How many events there are so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.lock().events
    }

    /// The history recorded so far; of a journaled recorder what was not
    /// drained yet.
    #[must_use]
    pub fn history(&self) -> History {
        let mut history = History::default();
        for record in self.lock().records() {
            match record {
                Record::Event(event) => history.events.push(event.clone()),
                Record::Step(step) => history.steps.push(step.clone()),
            }
        }
        history
    }

    fn event(
        &self,
        timeline: Option<u32>,
        process: Process,
        kind: Kind,
        op: Op,
        error: Option<String>,
    ) -> Index {
        let mut journal = self.lock();
        // Read under the lock, so that times in the history never go back.
        let time = self.clock.now();
        let index = Index(journal.events);
        journal.events += 1;
        journal.push(Record::Event(Event { index, time, process, kind, op, timeline, error }));
        index
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        // A client that panicked inside a push leaves whole records behind.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
