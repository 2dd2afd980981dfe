//! Linearizability against any sequential specification, by search.
//!
//! Two engines run in turns, a slice of steps each, until one has decided:
//! *just-in-time linearization* (Lowe, 2017) walks along the history with all
//! configurations that explain it so far, and *depth-first search* (Wing & Gong
//! 1993, with Lowe's memory) looks for one explanation of the whole. Each wins
//! by orders of magnitude on some histories. Both are exact, and both:
//!
//! * take an observation (a read) as soon as it fits, which loses nothing;
//! * take of equal unfinished operations the first;
//! * leave for later what [commutes](Model::commute) with all that matters for
//!   the return to be explained (a persistent set; Godefroid 1996);
//! * forget configurations that another one dominates: same state, fewer
//!   unfinished operations used up.
//!
//! Work is counted in steps, not in time, so the same history gets the same
//! verdict everywhere. When the budget is spent the verdict is unknown and
//! names the stretch that was not decided.
//!
//! ```
//! use quarrel_checkers::{Budget, Checker, Validity, models, notation, search::Linearizable};
//!
//! // Both writes store 1: values do not name their writes, so it takes a search.
//! let history = notation::parse(
//!     "A: [w1] [w2]       [w1]
//!      B:            [r2]      [r1]",
//! )?;
//! let checker = Linearizable::new(models::Register);
//! assert_eq!(checker.check(&history, Budget::default()).validity, Validity::Valid);
//! # Ok::<(), notation::NotationError>(())
//! ```

mod calls;
mod depth_first;
mod just_in_time;
mod transitions;
mod witness;

use std::{collections::BTreeMap, num::NonZeroUsize};

use calls::{Call, Calls, Moment};
use depth_first::DepthFirst;
use just_in_time::JustInTime;
use transitions::Transitions;

use crate::{
    Budget, Checker, Class, History, HistoryRef, Key, Kind, Model, Operation, Value, Verdict,
    parallel,
};

/// Steps that an engine makes before it is the other one's turn.
const FIRST_SLICE: u64 = 256;

/// What a failed operation means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failures {
    /// It certainly had no effect, and why is not known: it is left out.
    #[default]
    Dropped,
    /// The object answered "no": the model is asked with the response
    /// `false`, as for a compare-and-set that found another value. Operations
    /// that [cannot be refused](Model::may_refuse), and failures that carry an
    /// error, are left out all the same.
    Observed,
}

/// Whether an object is one for each key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// Every key is an object of its own, and linearizable by itself
    /// (Herlihy & Wing 1990; P-compositionality, Horn & Kroening 2015).
    #[default]
    ByKey,
    /// One object holds all keys.
    Whole,
}

/// Which engines search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// Both, in turns.
    #[default]
    Competition,
    /// Only just-in-time linearization.
    JustInTime,
    /// Only depth-first search.
    DepthFirst,
}

/// Whether an illegal history is explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Witness {
    /// By as few operations as will do. It takes further searches.
    #[default]
    Minimal,
    /// Not at all: the verdict is all that is wanted.
    Omitted,
}

/// Checks that a history is linearizable with respect to a model.
#[derive(Clone, Copy, Debug)]
pub struct Linearizable<M> {
    model: M,
    failures: Failures,
    partition: Partition,
    engine: Engine,
    witness: Witness,
    threads: NonZeroUsize,
}

impl<M: Model> Linearizable<M> {
    /// A checker for `model`.
    pub const fn new(model: M) -> Self {
        Self {
            model,
            failures: Failures::Dropped,
            partition: Partition::ByKey,
            engine: Engine::Competition,
            witness: Witness::Minimal,
            threads: NonZeroUsize::MIN,
        }
    }

    /// The same with another meaning of failed operations.
    #[must_use]
    pub fn failures(self, failures: Failures) -> Self {
        Self { failures, ..self }
    }

    /// The same with one object for all keys, or one for each.
    #[must_use]
    pub fn partition(self, partition: Partition) -> Self {
        Self { partition, ..self }
    }

    /// The same with other engines.
    #[must_use]
    pub fn engine(self, engine: Engine) -> Self {
        Self { engine, ..self }
    }

    /// The same with or without an explanation.
    #[must_use]
    pub fn witness(self, witness: Witness) -> Self {
        Self { witness, ..self }
    }

    /// The same with so many threads that search at once, each another object.
    /// The verdict does not depend on it.
    #[must_use]
    pub fn threads(self, threads: NonZeroUsize) -> Self {
        Self { threads, ..self }
    }

    /// What the model has nothing to say about, if something has happened that
    /// it does not know.
    fn unknown(&self, history: &History, operations: &[Operation]) -> Option<String> {
        let invoked = |operation: &Operation| &history.events[operation.invoke.position()];
        let may_have_happened = |operation: &&Operation| {
            let end = operation.complete.map(|index| history.events[index.position()].kind);
            end != Some(Kind::Fail)
        };
        let mut unknown = operations
            .iter()
            .filter(may_have_happened)
            .filter(|operation| !self.model.knows(&invoked(operation).op));
        let first = invoked(unknown.next()?);
        let more = unknown.count();
        let more = if more > 0 { format!(", and {more} more like it") } else { String::new() };
        let argument = match &first.op.value {
            Value::Nil => String::new(),
            value => format!(" {value}"),
        };
        Some(format!(
            "the model does not know the operation `{}{argument}` of event {}{more}; with \
             another model it may be decided",
            first.op.f, first.index.0
        ))
    }

    /// One object, out of a history that was taken apart already.
    pub(crate) fn register(
        &self,
        history: HistoryRef<'_>,
        key: Option<Key>,
        operations: &[Operation],
        budget: Budget,
    ) -> Verdict {
        let calls = Calls::of(&self.model, history, operations.iter(), self.failures);
        self.object(key, &calls, budget)
    }

    /// One object.
    fn object(&self, key: Option<Key>, calls: &Calls, budget: Budget) -> Verdict {
        let (outcome, _) = search(&self.model, calls, self.engine, budget.steps);
        match outcome {
            Outcome::Valid => Verdict::valid(),
            Outcome::Invalid if self.witness == Witness::Omitted => Verdict::invalid(Vec::new()),
            Outcome::Invalid => {
                Verdict::invalid(vec![witness::anomaly(&self.model, key, calls, budget)])
            }
            Outcome::Unknown(reached) => Verdict::unknown(undecided(key, calls, reached, budget)),
        }
    }
}

impl<M: Model> Checker for Linearizable<M> {
    fn check(&self, history: &History, budget: Budget) -> Verdict {
        let operations = match history.operations() {
            Ok(operations) => operations,
            Err(error) => return Verdict::unknown(error.to_string()),
        };
        if let Some(unknown) = self.unknown(history, &operations) {
            return Verdict::unknown(unknown);
        }
        let mut objects: BTreeMap<Option<Key>, Vec<usize>> = BTreeMap::new();
        for (at, operation) in operations.iter().enumerate() {
            let key = match self.partition {
                Partition::ByKey => history.events[operation.invoke.position()].op.key,
                Partition::Whole => None,
            };
            objects.entry(key).or_default().push(at);
        }
        let objects: Vec<(Option<Key>, Vec<usize>)> = objects.into_iter().collect();
        let verdicts = parallel::map(self.threads, &objects, |(key, members)| {
            let members = members.iter().map(|&at| &operations[at]);
            let calls = Calls::of(&self.model, history.into(), members, self.failures);
            self.object(*key, &calls, budget)
        });
        verdicts.into_iter().fold(Verdict::valid(), Verdict::and)
    }
}

fn undecided(key: Option<Key>, calls: &Calls, reached: usize, budget: Budget) -> String {
    let subject = key.map_or_else(String::new, |key| format!("key {key}: "));
    let from = calls.event(reached).map_or(0, |index| index.0);
    let last = calls.last_event().map_or(0, |index| index.0);
    format!(
        "{subject}events {from} to {last} are not decided after {} steps; {} operations of \
         unknown outcome are open there; a larger budget, fewer of them or unique values would \
         help",
        budget.steps,
        calls.open_before(reached),
    )
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Valid,
    Invalid,
    /// How many moments of the history were explained.
    Unknown(usize),
}

/// How far an engine came in its slice of steps.
enum Progress {
    Decided(Outcome),
    More,
    /// It can not go on: too many operations at once.
    GaveUp,
}

/// Searches with at most `steps` steps; also says how many were made. A step
/// is one question to the model, remembered or not.
fn search<M: Model>(model: &M, calls: &Calls, engine: Engine, steps: u64) -> (Outcome, u64) {
    let mut transitions = Transitions::new(model, calls.classes());
    let mut just_in_time = (engine != Engine::DepthFirst).then(|| JustInTime::new(calls));
    let mut depth_first = (engine != Engine::JustInTime).then(|| DepthFirst::new(calls));
    let mut reached = 0;
    let mut slice = FIRST_SLICE;
    while transitions.steps < steps && (just_in_time.is_some() || depth_first.is_some()) {
        let limit = |made: u64| made.saturating_add(slice).min(steps);
        if let Some(engine) = &mut depth_first {
            let limit = limit(transitions.steps);
            if let Progress::Decided(outcome) = engine.run(&mut transitions, limit) {
                return (outcome, transitions.steps);
            }
        }
        if let Some(engine) = &mut just_in_time {
            let limit = limit(transitions.steps);
            let progress = engine.run(&mut transitions, limit);
            reached = engine.reached();
            match progress {
                Progress::Decided(outcome) => return (outcome, transitions.steps),
                Progress::GaveUp => just_in_time = None,
                Progress::More => {}
            }
        }
        // Slices grow, so that switching costs little, but slowly, so that the
        // slower engine does not waste much more than the faster one needs.
        slice += slice / 4;
    }
    (Outcome::Unknown(reached), transitions.steps)
}

/// The class of an anomaly that a search finds.
const CLASS: Class = Class::NotLinearizable;
