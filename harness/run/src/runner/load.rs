//! The first values of many keys, brought to the primary in a few statements
//! beside the strategy: one by one they would take longer than the storm.
//!
//! What it does is recorded as a write of each key. It counts as acknowledged
//! once the strategy itself has read one of them: a subject that keeps its rows
//! elsewhere never sees these, and nobody is to be accused of that.

use std::sync::Arc;

use quarrel_checkers::{Certainty, Content, Index, Key, Kind, Lsn, Object, Op, Process, Reply};
use quarrel_checkers::{Site, Step, Time, Value};
use quarrel_strategy::{
    stores::{Request, Response, Row, StoreError},
    strategy::Beginning,
};
use rustc_hash::FxHashSet;

use super::client::{Client, Storm};

/// More keys than this get their first values in batches.
const MANY: u64 = 1_000;
/// How many rows a statement brings.
const BATCH: usize = 1_000;

/// Whether a storm has so many keys that what is done to each is done in
/// batches.
pub(super) const fn are_many(keys: u64) -> bool {
    keys > MANY
}

/// First values that the primary was given.
#[derive(Default)]
pub(super) struct Loaded {
    rows: Vec<Loading>,
}

/// Whether the strategy reads what the primary was given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    ByStrategy,
    Nowhere,
}

/// A write that was begun.
struct Loading {
    process: Process,
    invoke: Index,
    op: Op,
    outcome: Result<(Option<Lsn>, u32), StoreError>,
    start: Time,
    end: Time,
}

/// Brings first values to the primary.
pub(super) async fn load_many(storm: &Storm) -> Loaded {
    let mut loaded = Loaded::default();
    let begins_absent = storm.plan.workload.beginning() == Beginning::Absent;
    if begins_absent || !are_many(storm.plan.keys) {
        return loaded;
    }
    let mut stores = storm.cluster.probe();
    let keys: Vec<Key> = storm.plan.every_key().collect();
    for batch in keys.chunks(BATCH) {
        if storm.is_over() {
            break;
        }
        let rows: Vec<_> = batch.iter().map(|key| (*key, storm.value(None))).collect();
        let first = loaded.rows.len();
        loaded.begin(storm, &rows);
        let answer = stores.call(&Request::PrimaryLoad(rows)).await;
        loaded.end(storm, first, answer);
        if loaded.rows[first..].iter().all(|row| row.outcome.is_err()) {
            // Who takes none of a thousand takes none of the others.
            break;
        }
    }
    loaded
}

impl Loaded {
    /// Each write is of a process of its own, as all of a statement's happen at
    /// once. Clients take none of these numbers later.
    fn begin(&mut self, storm: &Storm, rows: &[(Key, Value)]) {
        let start = storm.recorder.now();
        for (key, value) in rows {
            let process = Process::Client(storm.plan.clients + self.rows.len() as u64);
            let op = Op::write(*key, value.clone());
            let invoke = storm.recorder.invoke(process, op.clone());
            let outcome = Err(StoreError::unknown(Site::Primary, "not answered"));
            self.rows.push(Loading { process, invoke, op, outcome, start, end: start });
        }
    }

    fn end(&mut self, storm: &Storm, first: usize, answer: Result<Response, StoreError>) {
        let end = storm.recorder.now();
        let (new, outcome) = match answer {
            Ok(Response::Loaded { keys, lsn, timeline }) => {
                (keys.into_iter().collect(), Ok((lsn, timeline)))
            }
            Ok(other) => {
                let why = format!("an unexpected answer: {other:?}");
                (FxHashSet::default(), Err(StoreError::unknown(Site::Primary, why)))
            }
            Err(error) => (FxHashSet::default(), Err(error)),
        };
        for row in &mut self.rows[first..] {
            let is_new = row.op.key.is_some_and(|key| new.contains(&key));
            row.end = end;
            row.outcome = match &outcome {
                Ok(_) if !is_new => Err(StoreError::refused(Site::Primary, "it was there before")),
                outcome => outcome.clone(),
            };
        }
    }

    /// How many processes have done it.
    pub(super) fn processes(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Records how the writes ended; the keys that have their first value.
    /// `reader` looks whether the strategy sees them.
    pub(super) async fn settle(self, storm: &Arc<Storm>, reader: &mut Client) -> FxHashSet<Key> {
        let first = self.rows.iter().find(|row| row.outcome.is_ok());
        let seen = match first {
            Some(Loading { op: Op { key: Some(key), value, .. }, .. }) => {
                let row = Row { value: value.clone(), version: FIRST };
                if reader.read(*key).await == Some(row) { Seen::ByStrategy } else { Seen::Nowhere }
            }
            _ => Seen::Nowhere,
        };
        self.rows.into_iter().filter_map(|row| row.record(storm, seen)).collect()
    }
}

/// The version of a row's first value.
const FIRST: u64 = 1;

impl Loading {
    /// The key, if it has its first value.
    fn record(self, storm: &Storm, seen: Seen) -> Option<Key> {
        let Self { process, invoke, op, outcome, start, end } = self;
        let key = op.key;
        let argument = Content::Row { value: op.value.clone(), version: 0 };
        let recorder = &storm.recorder;
        let step = |reply, lsn| Step {
            operation: Some(invoke),
            process,
            start,
            end: Some(end),
            site: Site::Primary,
            verb: Request::PrimaryLoad(Vec::new()).verb().into(),
            object: key.map(Object::of),
            argument: Some(argument),
            reply,
            lsn,
        };
        match outcome {
            Ok((lsn, timeline)) => {
                recorder.step(step(Reply::Done { version: Some(FIRST) }, lsn));
                if seen == Seen::ByStrategy {
                    let op = op.at_version(FIRST);
                    recorder.complete_on(Some(timeline), process, Kind::Ok, op, None);
                    return key;
                }
                let why = "the strategy does not read what the primary was given";
                recorder.complete_on(Some(timeline), process, Kind::Info, op, Some(why.into()));
            }
            Err(StoreError { certainty, message, .. }) => {
                let kind = match certainty {
                    Certainty::Definite => Kind::Fail,
                    Certainty::Indefinite => Kind::Info,
                };
                recorder.step(step(Reply::Failed { certainty, error: message.clone() }, None));
                recorder.complete(process, kind, op, Some(message));
            }
        }
        None
    }
}
