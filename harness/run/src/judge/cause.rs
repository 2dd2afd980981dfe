use std::{borrow::Cow, sync::OnceLock};

use quarrel_checkers::{
    Anomaly, Class, Content, Event, F, HistoryRef, Index, Invalidation, Key, Kind, Operation,
    Process, Reply, Site, Step, StepAt, StepsOf, Value, Version,
};
use quarrel_strategy::strategy::{TransactionHalf, sides};
use rustc_hash::FxHashMap;

use super::{
    on_key::OnKey,
    steps::{
        invalidates_as_agent, is_absence, is_gap, is_of_cache, is_on, stores_same, succeeded, value,
    },
    versions::Versions,
};

/// Where a history's operations and steps are, for looking up how a value came
/// to be read.
pub struct CauseEvidence<'a> {
    history: HistoryRef<'a>,
    operations: Vec<Operation>,
    /// The steps of each.
    steps_of: StepsOf,
    /// Positions of operations by the events that begin and end them;
    /// [`NONE`] for other events.
    of_event: Vec<u32>,
    /// Positions of the operations on each key; made when first asked for.
    by_key: OnceLock<FxHashMap<Key, Vec<u32>>>,
    /// The steps on each key's own entry or row.
    pub(super) on_key: FxHashMap<Key, OnKey>,
    /// Which version each row is.
    pub(super) versions: Versions,
    /// Numbers of values whose readers were told none.
    untold: FxHashMap<(Key, Value), u64>,
    /// Steps are missing: that there is none of a kind says nothing.
    pub(super) has_gap: bool,
    /// Positions of the steps by which clients looked at what they were told.
    looks: FxHashMap<Process, Vec<u32>>,
    /// Who keeps the cache in step, as far as that is known.
    by: Option<Invalidation>,
}

/// No operation.
const NONE: u32 = u32::MAX;

/// Names the cause of each anomaly whose steps show one.
///
/// The causes are those in which a cache and a database come apart; each is
/// read off the steps: where the value that was read came from, what put it
/// there, and what became of the newer write's invalidation. An anomaly whose
/// steps show none of it is [`Unexplained`](quarrel_checkers::Cause::Unexplained).
///
/// `by` is who keeps the cache in step, if the strategy says so: steps alone do
/// not tell a write that forgets the cache from one that leaves it to expiry,
/// nor what an agent would still have done. Without it whoever was seen to do
/// so counts.
pub fn find_causes<'h>(
    history: impl Into<HistoryRef<'h>>,
    by: Option<Invalidation>,
    anomalies: &mut [Anomaly],
) {
    let Some(evidence) = CauseEvidence::new(history) else { return };
    let evidence = CauseEvidence { by: by.or(evidence.by), ..evidence };
    for anomaly in anomalies {
        anomaly.cause = Some(evidence.cause(anomaly));
    }
}

impl<'a> CauseEvidence<'a> {
    /// Sorts out a history; none if its events do not pair.
    #[must_use]
    pub fn new(history: impl Into<HistoryRef<'a>>) -> Option<Self> {
        let history = history.into();
        let operations = history.operations().ok()?;
        let (versions, untold) = (Versions::of(history), untold(history));
        let mut of_event = vec![NONE; history.event_count()];
        for (at, operation) in (0..NONE).zip(&operations) {
            of_event[operation.invoke.position()] = at;
            if let Some(end) = operation.complete {
                of_event[end.position()] = at;
            }
        }
        let mut on_key: FxHashMap<Key, OnKey> = FxHashMap::default();
        let mut looks: FxHashMap<Process, Vec<u32>> = FxHashMap::default();
        let (mut is_seen, mut has_gap) = (false, false);
        for (position, step) in (0..NONE).zip(history.steps()) {
            if let Some(object) = &step.object {
                on_key.entry(object.key).or_default().positions.push(position);
            }
            if step.is_look() {
                looks.entry(step.process).or_default().push(position);
            }
            is_seen |= invalidates_as_agent(&step);
            has_gap |= is_gap(&step);
        }
        let on_keys = on_key.values_mut().map(|on| &mut on.positions);
        for positions in on_keys.chain(looks.values_mut()) {
            positions.sort_by_cached_key(|position| history.step(*position as usize).start);
        }
        let by = is_seen.then_some(Invalidation::ByAgent);
        let steps_of = history.steps_of();
        Some(Self {
            history,
            operations,
            steps_of,
            of_event,
            by_key: OnceLock::new(),
            on_key,
            versions,
            untold,
            has_gap,
            looks,
            by,
        })
    }

    /// Who keeps the cache in step.
    pub(super) fn invalidation(&self) -> Invalidation {
        self.by.unwrap_or(Invalidation::ByWriter)
    }

    /// Whether the last write that was acknowledged left its value in the cache
    /// alone: it never reached the primary.
    pub(super) fn never_written(&self, key: Key) -> bool {
        let mut stored = self.on(key).filter(|step| {
            let is_row = matches!(step.argument, Some(Content::Row { .. }));
            is_of_cache(step) && is_row && succeeded(step)
        });
        let Some(last) = stored.next_back() else { return false };
        let acknowledged = last.operation.and_then(|invoke| self.operation(invoke));
        let acknowledged = acknowledged.is_some_and(|operation| {
            let end = operation.complete.map(|end| self.history.event(end));
            self.writes(operation) && end.is_some_and(|end| end.kind == Kind::Ok)
        });
        let reached = self.on(key).any(|step| {
            step.site == Site::Primary && value(&step.argument) == value(&last.argument)
        });
        acknowledged && !reached
    }

    /// Whether a write that was acknowledged is part of the evidence, and the
    /// primary's log, which told the versions, has nothing of it.
    pub(super) fn was_never_committed(&self, anomaly: &Anomaly) -> bool {
        let witnessed = anomaly.witness.iter().filter_map(|at| self.operation(*at));
        let mut ended = witnessed.filter_map(|operation| operation.complete);
        !self.untold.is_empty()
            && ended.any(|end| {
                let event = self.history.event(end);
                event.kind == Kind::Ok && event.op.f == F::Write && event.op.version.is_none()
            })
    }

    /// The step by which a client got what it has in a near cache of its own: it
    /// found it, was told it, or wrote it.
    pub(super) fn copied(&self, key: Key, version: Version, near: &Step) -> Option<StepAt<'a>> {
        self.on_before(key, near.start).rev().find(|step| {
            let brought = [self.versions.found(step), self.versions.written(step)];
            step.process == near.process
                && step.site != Site::Client
                && brought.contains(&Some(version))
        })
    }

    /// Every look of a process at what it had been told, by its beginning.
    pub(super) fn looks_of(&self, process: Process) -> Vec<StepAt<'a>> {
        let looks = self.looks.get(&process).map(Vec::as_slice).unwrap_or_default();
        self.steps(looks).collect()
    }

    /// Whether what a transaction read of `key` had not been overwritten yet
    /// when it was read, so that it is wrong only beside what was read next.
    pub(super) fn is_current(
        &self,
        anomaly: &Anomaly,
        key: Key,
        version: Version,
        source: &Step,
    ) -> bool {
        let overwritten = || self.newer_write(anomaly, key, version)?.end;
        anomaly.class == Class::GSingle && overwritten().is_some_and(|end| end > source.start)
    }

    /// The operation by which the anomaly is proved: the last of its witness
    /// that ended; of transactions the last one that only reads.
    #[must_use]
    pub fn guilty(&self, anomaly: &Anomaly) -> Option<&Operation> {
        let witnessed = || {
            let operations = anomaly.witness.iter().rev().filter_map(|at| self.operation(*at));
            operations.filter(|operation| operation.complete.is_some())
        };
        let reads = |operation: &&Operation| {
            let sides = self.sides(operation);
            !sides.is_empty() && sides.iter().all(|side| !side.writes)
        };
        let last = self.operation(*anomaly.witness.last()?)?;
        witnessed().find(reads).or(Some(last).filter(|last| last.complete.is_some()))
    }

    /// The halves of an operation that is a transaction, as it ended, or as it
    /// was asked for if it never did.
    #[must_use]
    pub fn sides(&self, operation: &Operation) -> Vec<TransactionHalf> {
        let event = operation.complete.unwrap_or(operation.invoke);
        sides(&self.history.event(event).op)
    }

    /// The version that an operation read or wrote of a key, if it is known.
    #[must_use]
    pub fn version_on(&self, operation: &Operation, key: Key) -> Option<Version> {
        let event = self.history.event(operation.complete?);
        let op = &event.op;
        if let Some(side) = sides(op).into_iter().find(|side| side.key == key) {
            return Some(self.versions.of_row(key, &side.value, side.version?));
        }
        let of_value = || match self.untold.is_empty() || op.key != Some(key) {
            true => None,
            // What was never committed has none, as what is not there.
            false => Some(self.untold.get(&(key, op.value.clone())).copied().unwrap_or(0)),
        };
        let number = op.version.or_else(of_value)?;
        Some(self.versions.of_row(key, &op.value, number))
    }

    /// Whether an operation was meant to change something.
    #[must_use]
    pub fn writes(&self, operation: &Operation) -> bool {
        let event = self.history.event(operation.invoke);
        let op = &event.op;
        let sides = sides(op);
        if sides.is_empty() { op.f != F::Read } else { sides.iter().any(|side| side.writes) }
    }

    /// Whether the anomaly may be cut out of the history as a race: its steps
    /// show the way of the value, in an operation on one key.
    #[must_use]
    pub fn is_retold(&self, anomaly: &Anomaly) -> bool {
        let of_one_key = |operation: &Operation| self.sides(operation).is_empty();
        is_claimed(anomaly.class)
            && self.guilty(anomaly).is_some_and(of_one_key)
            && self.provenance(anomaly).is_some()
    }

    fn operation(&self, index: Index) -> Option<&Operation> {
        self.operations.get(*self.of_event.get(index.position())? as usize)
    }

    /// The step of `read` that brought the value of `key` that it returned.
    pub(super) fn source(
        &self,
        read: &Operation,
        key: Key,
        version: Version,
    ) -> Option<StepAt<'a>> {
        let steps = self.steps_of(read).rev();
        let brought = |step: &StepAt<'_>| {
            let is_it = self.versions.found(step) == Some(version)
                || (version == Version::ABSENT && is_absence(step));
            is_on(step, key) && is_it
        };
        steps.filter(brought).find(|step| step.verb != "SET")
    }

    /// The oldest write of `key` that is newer than `version` and part of the
    /// evidence, else the oldest such write at all.
    pub(super) fn newer_write(
        &self,
        anomaly: &Anomaly,
        key: Key,
        version: Version,
    ) -> Option<StepAt<'a>> {
        let operations = anomaly.witness.iter().filter_map(|at| self.operation(*at));
        let steps = operations.flat_map(|operation| self.steps_of(operation));
        let is_commit =
            |step: &StepAt<'_>| is_on(step, key) && self.versions.written(step).is_some();
        let mut witnessed: Vec<StepAt<'a>> = steps.filter(is_commit).collect();
        witnessed.sort_by_key(|step| step.start);
        let is_newer = |step: &&StepAt<'_>| self.versions.written(step) > Some(version);
        // Where nobody tells the timelines, numbers are given again after a
        // failover: what overwrote may have one that is no higher, and then the
        // evidence alone says that it did.
        let read = self.guilty(anomaly).and_then(|read| read.complete);
        let read = read.map(|end| self.history.event(end).op.value.clone());
        let is_other = |step: &&StepAt<'_>| value(&step.argument) != read.as_ref();
        let evident = witnessed.iter().find(is_newer).or_else(|| witnessed.iter().find(is_other));
        evident.cloned().or_else(|| self.first_above(key, version))
    }

    /// The last step that put `version` into the cache before `hit` ended. What
    /// has no version, because it is not there or not written yet, is known by
    /// what it says.
    pub(super) fn fill(&self, key: Key, version: Version, hit: &Step) -> Option<StepAt<'a>> {
        let is_it = |step: &Step| match version {
            Version::ABSENT => stores_same(step, hit),
            _ => self.versions.stored(step) == Some(version),
        };
        self.on_before(key, hit.end?)
            .rev()
            .find(|step| is_of_cache(step) && is_it(step) && step.reply != Reply::Refused)
    }

    /// The step by which an agent had fetched what it then put into the cache.
    pub(super) fn fetched(&self, key: Key, fill: &Step) -> Option<StepAt<'a>> {
        self.on_before(key, fill.start).rev().find(|step| {
            step.process == fill.process
                && step.site != Site::Cache
                && self.versions.found(step) == self.versions.stored(fill)
        })
    }

    /// What the write of `update` did to the cache.
    pub(super) fn invalidations(
        &self,
        update: &Step,
    ) -> impl Iterator<Item = StepAt<'a>> + use<'_, 'a> {
        let operation = update.operation.and_then(|invoke| self.operation(invoke));
        let key = update.object.as_ref().map(|object| object.key);
        operation
            .into_iter()
            .flat_map(|operation| self.steps_of(operation))
            .filter(|step| is_of_cache(step) && step.verb != "GET")
            .filter(move |step| step.object.as_ref().map(|object| object.key) == key)
    }

    /// The history.
    #[must_use]
    pub const fn history(&self) -> HistoryRef<'a> {
        self.history
    }

    /// Every operation, in order of invocation.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operations on one key alone, in order of invocation.
    pub fn operations_on(&self, key: Key) -> impl DoubleEndedIterator<Item = &Operation> {
        let by_key = self.by_key.get_or_init(|| {
            let mut by_key: FxHashMap<Key, Vec<u32>> = FxHashMap::default();
            for (at, operation) in (0..NONE).zip(&self.operations) {
                if let Some(key) = self.history.event(operation.invoke).op.key {
                    by_key.entry(key).or_default().push(at);
                }
            }
            by_key
        });
        let positions = by_key.get(&key).map(Vec::as_slice).unwrap_or_default();
        positions.iter().map(|at| &self.operations[*at as usize])
    }

    /// Every look of a client at what it had been told, in the order of the
    /// history.
    pub fn looks(&self) -> impl Iterator<Item = StepAt<'a>> {
        let mut positions: Vec<u32> = self.looks.values().flatten().copied().collect();
        positions.sort_unstable();
        let history = self.history;
        positions.into_iter().map(move |position| history.step(position as usize))
    }

    /// The calls that an operation made, in their order.
    pub fn steps_of(
        &self,
        operation: &Operation,
    ) -> impl DoubleEndedIterator<Item = StepAt<'a>> + ExactSizeIterator + use<'_, 'a> {
        let history = self.history;
        self.steps_of.operation(operation.invoke).map(move |position| history.step(position))
    }

    /// Positions of the calls of the operation that begins at `invoke`.
    pub fn positions_of(&self, invoke: Index) -> &[u32] {
        self.steps_of.positions(invoke)
    }

    /// The operation that begins or ends at `index`.
    #[must_use]
    pub fn operation_at(&self, index: Index) -> Option<&Operation> {
        self.operation(index)
    }
}

/// The numbers of what was written, in a history whose readers were told none.
fn untold(history: HistoryRef<'_>) -> FxHashMap<(Key, Value), u64> {
    let read = || {
        let ended = history.events().filter(|event| event.kind == Kind::Ok);
        ended.filter(|event| event.op.f == F::Read && !event.op.value.is_nil())
    };
    let is_told = |event: Cow<'_, Event>| event.op.version.is_some();
    if read().any(is_told) || read().next().is_none() {
        return FxHashMap::default();
    }
    let written = history.events().filter_map(|event| {
        let op = &event.op;
        let is_end = matches!(event.kind, Kind::Ok | Kind::Info);
        (is_end && op.f == F::Write).then_some(((op.key?, op.value.clone()), op.version?))
    });
    written.collect()
}

/// Whether the lines of a race can claim an anomaly of this class. What is
/// wrong between two transactions, or came from nowhere, no line can.
const fn is_claimed(class: Class) -> bool {
    matches!(
        class,
        Class::StaleRead
            | Class::NotLinearizable
            | Class::ReadYourWrites
            | Class::NonMonotonicRead
            | Class::LostWrite
            | Class::Divergence
    )
}
