use quarrel_checkers::{
    Anomaly, Cause, Class, Content, F, History, Index, Key, Kind, Operation, Process, Reply, Site,
    Step,
};
use rustc_hash::FxHashMap;

use super::steps::{found, invalidates_as_agent, is_on, replaces, same, stored, succeeded, value};
use crate::strategy::{Side, sides};

/// Where a history's operations and steps are, for looking up how a value came
/// to be read.
pub struct Evidence<'a> {
    history: &'a History,
    operations: Vec<Operation>,
    /// Positions of operations by the events that begin and end them.
    of_event: FxHashMap<Index, usize>,
    /// Positions of the steps on a key's own entry or row, by start.
    on_key: FxHashMap<Key, Vec<usize>>,
    /// Whether background agents of the strategy invalidate entries.
    agents_invalidate: bool,
}

/// The way of a value that must not have been read: who wrote it, who put it
/// into the cache, from where, and what had overwritten it by then.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'a> {
    /// The version that was read.
    pub version: u64,
    /// The step of the read that found it.
    pub source: &'a Step,
    /// The step that had put it into the cache, if it was found there.
    pub fill: Option<&'a Step>,
    /// The step that had fetched it for that.
    pub fetched: Option<&'a Step>,
    /// The step that had written it to the primary.
    pub written: Option<&'a Step>,
    /// The step that overwrote it on the primary.
    pub newer: Option<&'a Step>,
}

/// Names the cause of each anomaly whose steps show one.
///
/// The causes are those in which a cache and a database come apart; each is
/// read off the steps: where the value that was read came from, what put it
/// there, and what became of the newer write's invalidation. An anomaly whose
/// steps show none of it is [`Cause::Unexplained`].
pub fn find_causes(history: &History, anomalies: &mut [Anomaly]) {
    let Some(evidence) = Evidence::new(history) else { return };
    for anomaly in anomalies {
        anomaly.cause = Some(evidence.cause(anomaly));
    }
}

impl<'a> Evidence<'a> {
    /// Sorts out a history; none if its events do not pair.
    #[must_use]
    pub fn new(history: &'a History) -> Option<Self> {
        let operations = history.operations().ok()?;
        let of_event = operations
            .iter()
            .enumerate()
            .flat_map(|(at, op)| [Some((op.invoke, at)), op.complete.map(|end| (end, at))])
            .flatten()
            .collect();
        let mut on_key: FxHashMap<Key, Vec<usize>> = FxHashMap::default();
        for (position, step) in history.steps.iter().enumerate() {
            if let Some(object) = &step.object {
                on_key.entry(object.key).or_default().push(position);
            }
        }
        for positions in on_key.values_mut() {
            positions.sort_by_key(|position| history.steps[*position].start);
        }
        let agents_invalidate = history.steps.iter().any(invalidates_as_agent);
        Some(Self { history, operations, of_event, on_key, agents_invalidate })
    }

    fn cause(&self, anomaly: &Anomaly) -> Cause {
        self.explain(anomaly).unwrap_or(Cause::Unexplained)
    }

    fn explain(&self, anomaly: &Anomaly) -> Option<Cause> {
        if anomaly.class == Class::LostWrite {
            // No read is needed to see it: the primary holds something else.
            return Some(Cause::LostWrite);
        }
        if anomaly.class == Class::LostUpdate {
            // That is what it is: two writes from one value, neither refused.
            return Some(Cause::UncheckedWrite);
        }
        let key = anomaly.key?;
        if anomaly.class == Class::Divergence && self.never_written(key) {
            return Some(Cause::LostWrite);
        }
        let read = self.guilty(anomaly)?;
        let stale = self.version_on(read, key)?;
        let mut source = self.source(read, key, stale)?;
        if self.is_current(anomaly, key, stale, source) {
            return Some(Cause::SeparateReads);
        }
        let newer = self.newer_write(anomaly, key, stale);
        if source.site == Site::Client {
            let copied = self.copied(key, stale, source)?;
            let told = self.invalidations(newer?).filter(|step| succeeded(step)).last();
            if told.is_some_and(|told| copied.end < told.end) {
                // The cache has changed, its message has not arrived.
                return Some(Cause::PendingInvalidation);
            }
            source = copied;
        }
        if source.site == Site::Replica {
            return Some(Cause::ReplicaLag);
        }
        if source.site != Site::Cache {
            return None;
        }
        if let Some(cause) = self.put_back(read, source) {
            return Some(cause);
        }
        match self.fill(key, stale, source) {
            Some(fill) => Some(self.fill_cause(key, fill, newer?, source)),
            None => Some(self.old_entry_cause(key, newer?, source)),
        }
    }

    /// The entry was there before the history began.
    fn old_entry_cause(&self, key: Key, newer: &Step, hit: &Step) -> Cause {
        let removed = self.on(key).any(|step| {
            step.object == hit.object
                && step.end.is_some_and(|end| end < hit.start)
                && replaces(step, hit)
        });
        if removed {
            return Cause::ResurrectedEntry;
        }
        let deletes: Vec<_> = self.invalidations(newer).collect();
        self.missing_invalidation(newer, &deletes, hit)
    }

    /// Whether the last write that was acknowledged left its value in the cache
    /// alone: it never reached the primary.
    fn never_written(&self, key: Key) -> bool {
        let stored = self.on(key).filter(|step| {
            let is_row = matches!(step.argument, Some(Content::Row { .. }));
            step.site == Site::Cache && is_row && succeeded(step)
        });
        let Some(last) = stored.last() else { return false };
        let acknowledged = last.operation.and_then(|invoke| self.operation(invoke));
        let acknowledged = acknowledged.is_some_and(|operation| {
            let end = operation.complete.map(|end| &self.history.events[end.position()]);
            self.writes(operation) && end.is_some_and(|end| end.kind == Kind::Ok)
        });
        let reached = self.on(key).any(|step| {
            step.site == Site::Primary && value(&step.argument) == value(&last.argument)
        });
        acknowledged && !reached
    }

    /// The step by which a client got what it has in a near cache of its own.
    fn copied(&self, key: Key, version: u64, near: &Step) -> Option<&Step> {
        self.on(key)
            .filter(|step| {
                step.process == near.process
                    && step.site == Site::Cache
                    && step.start < near.start
                    && found(step) == Some(version)
            })
            .last()
    }

    /// Whether what a transaction read of `key` had not been overwritten yet
    /// when it was read, so that it is wrong only beside what was read next.
    fn is_current(&self, anomaly: &Anomaly, key: Key, version: u64, source: &Step) -> bool {
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
    pub fn sides(&self, operation: &Operation) -> Vec<Side> {
        let event = operation.complete.unwrap_or(operation.invoke);
        sides(&self.history.events[event.position()].op)
    }

    /// The version that an operation read or wrote of a key, if it is known.
    #[must_use]
    pub fn version_on(&self, operation: &Operation, key: Key) -> Option<u64> {
        let op = &self.history.events[operation.complete?.position()].op;
        let of_side = || sides(op).into_iter().find(|side| side.key == key)?.version;
        op.version.or_else(of_side)
    }

    /// Whether an operation was meant to change something.
    #[must_use]
    pub fn writes(&self, operation: &Operation) -> bool {
        let op = &self.history.events[operation.invoke.position()].op;
        let sides = sides(op);
        if sides.is_empty() { op.f != F::Read } else { sides.iter().any(|side| side.writes) }
    }

    /// Whether the anomaly may be cut out of the history as a race: its steps
    /// show the way of the value, in an operation on one key.
    #[must_use]
    pub fn is_retold(&self, anomaly: &Anomaly) -> bool {
        let of_one_key = |operation: &Operation| self.sides(operation).is_empty();
        self.guilty(anomaly).is_some_and(of_one_key) && self.provenance(anomaly).is_some()
    }

    fn operation(&self, index: Index) -> Option<&Operation> {
        self.operations.get(*self.of_event.get(&index)?)
    }

    /// The step of `read` that brought the value of `key` that it returned.
    fn source(&self, read: &Operation, key: Key, version: u64) -> Option<&Step> {
        let steps = read.steps.iter().rev().map(|position| &self.history.steps[*position]);
        let brought = |step: &&Step| is_on(step, key) && found(step) == Some(version);
        steps.filter(brought).find(|step| step.verb != "SET")
    }

    /// The oldest write of `key` that is newer than `version` and part of the
    /// evidence, else the oldest such write at all.
    fn newer_write(&self, anomaly: &Anomaly, key: Key, version: u64) -> Option<&Step> {
        let updates = || {
            self.on(key).filter(move |step| {
                step.site == Site::Primary
                    && matches!(step.reply, Reply::Done { version: Some(v) } if v > version)
            })
        };
        let witnessed = |step: &&Step| {
            let operation = step.operation.and_then(|invoke| self.operation(invoke));
            operation.is_some_and(|operation| {
                anomaly.witness.contains(&operation.invoke)
                    || operation.complete.is_some_and(|end| anomaly.witness.contains(&end))
            })
        };
        updates().find(witnessed).or_else(|| updates().next())
    }

    /// The last step that put `version` into the cache before `hit` ended.
    fn fill(&self, key: Key, version: u64, hit: &Step) -> Option<&Step> {
        self.on(key)
            .filter(|step| {
                step.site == Site::Cache
                    && stored(step) == Some(version)
                    && Some(step.start) < hit.end
                    && step.reply != Reply::Refused
            })
            .last()
    }

    /// The step by which an agent had fetched what it then put into the cache.
    fn fetched(&self, key: Key, fill: &Step) -> Option<&Step> {
        self.on(key)
            .filter(|step| {
                step.process == fill.process
                    && step.site != Site::Cache
                    && found(step) == stored(fill)
                    && step.start < fill.start
            })
            .last()
    }

    /// Whether a read found in the cache what had been replaced there before:
    /// a store whose client had given up may have run late; else the cache
    /// itself brought it back.
    fn put_back(&self, read: &Operation, source: &Step) -> Option<Cause> {
        let steps = read.steps.iter().map(|position| &self.history.steps[*position]);
        let hits = steps.filter(|step| step.site == Site::Cache && step.start <= source.start);
        let store = hits.filter_map(|hit| self.store_replaced_before(hit)).next()?;
        Some(match store.reply {
            Reply::Pending | Reply::Failed { .. } => Cause::LateMessage,
            _ => Cause::ResurrectedEntry,
        })
    }

    /// The last step that stored what `hit` found, if something newer was
    /// stored in its place, or it was deleted, before `hit` began.
    fn store_replaced_before(&self, hit: &Step) -> Option<&Step> {
        let object = hit.object.as_ref()?;
        let Reply::Found(content) = &hit.reply else { return None };
        let changes = || {
            self.on(object.key)
                .filter(|step| step.site == Site::Cache && step.object.as_ref() == Some(object))
        };
        let is_same = |step: &&Step| step.argument.as_ref().is_some_and(|new| same(new, content));
        let store = changes().filter(|step| Some(step.start) < hit.end).filter(is_same).last()?;
        let replaced = changes().any(|step| {
            replaces(step, hit)
                && store.end.is_some_and(|end| end < step.start)
                && step.end.is_some_and(|end| end < hit.start)
        });
        replaced.then_some(store)
    }

    fn fill_cause(&self, key: Key, fill: &Step, newer: &Step, hit: &Step) -> Cause {
        let deletes: Vec<_> = self.invalidations(newer).collect();
        let filler = fill.operation.and_then(|invoke| self.operation(invoke));
        let filled_by_write = filler.is_some_and(|operation| self.writes(operation));
        if filled_by_write {
            // The newer write touched the cache first, the older one last. Of
            // two calls under way at once the times do not tell the order, but
            // the stale entry does.
            let first = |step: &Step| {
                step.start < fill.start
                    || matches!(step.reply, Reply::Done { .. }) && Some(step.start) < fill.end
            };
            return match deletes.iter().any(|step| first(step)) {
                true => Cause::WriteWriteRace,
                false => self.missing_invalidation(newer, &deletes, hit),
            };
        }
        let source = match filler {
            Some(operation) => {
                stored(fill).and_then(|version| self.source(operation, key, version))
            }
            None => self.fetched(key, fill),
        };
        let committed_before = |step: &Step| newer.end.is_some_and(|end| end <= step.start);
        match source {
            Some(step) if step.site == Site::Replica && committed_before(step) => {
                Cause::ReplicaLagRefill
            }
            Some(_) if deletes.iter().any(|delete| Some(delete.start) < fill.end) => {
                Cause::InFlightRefill
            }
            Some(_) => self.missing_invalidation(newer, &deletes, hit),
            None => Cause::Unexplained,
        }
    }

    /// The entry is older than the write, and the write's own invalidation
    /// did not remove it.
    fn missing_invalidation(&self, newer: &Step, deletes: &[&Step], hit: &Step) -> Cause {
        match deletes {
            // An operation that no client asked for: somebody's plain SQL.
            [] if newer.operation.is_some() && matches!(newer.process, Process::Agent(_)) => {
                Cause::OutOfBandChange
            }
            [] => self.agents_part(newer, hit),
            steps if steps.iter().any(|step| !succeeded(step)) => Cause::FailedInvalidation,
            // Others had seen the write, its own invalidation was to come.
            steps if steps.iter().any(|step| step.end > Some(hit.start)) => {
                Cause::PendingInvalidation
            }
            _ => Cause::Unexplained,
        }
    }

    /// The write left the cache alone: an agent's task, or nobody's.
    fn agents_part(&self, newer: &Step, hit: &Step) -> Cause {
        if !self.agents_invalidate {
            return Cause::ExpiryOnly;
        }
        let failed = newer.object.as_ref().is_some_and(|object| {
            self.on(object.key).any(|step| {
                let between = newer.start < step.start && step.start < hit.start;
                invalidates_as_agent(step) && between && !succeeded(step)
            })
        });
        if failed { Cause::FailedInvalidation } else { Cause::PendingInvalidation }
    }

    /// What the write of `update` did to the cache.
    fn invalidations(&self, update: &'a Step) -> impl Iterator<Item = &Step> {
        let operation = update.operation.and_then(|invoke| self.operation(invoke));
        let steps = operation.map(|operation| operation.steps.as_slice()).unwrap_or_default();
        let key = update.object.as_ref().map(|object| object.key);
        steps
            .iter()
            .map(|position| &self.history.steps[*position])
            .filter(|step| step.site == Site::Cache && step.verb != "GET")
            .filter(move |step| step.object.as_ref().map(|object| object.key) == key)
    }

    fn on(&self, key: Key) -> impl Iterator<Item = &Step> {
        let positions = self.on_key.get(&key).map(Vec::as_slice).unwrap_or_default();
        positions.iter().map(|position| &self.history.steps[*position])
    }

    /// The history.
    #[must_use]
    pub const fn history(&self) -> &'a History {
        self.history
    }

    /// Every operation, in order of invocation.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation that begins or ends at `index`.
    #[must_use]
    pub fn operation_at(&self, index: Index) -> Option<&Operation> {
        self.operation(index)
    }

    /// The operations whose steps tell how the value of `anomaly` came to be
    /// read: the read, what filled the cache with it, and the write that had
    /// overwritten it. In order of their beginning.
    #[must_use]
    pub fn story(&self, anomaly: &Anomaly) -> Vec<&Operation> {
        let mut told: Vec<&Operation> =
            anomaly.witness.iter().filter_map(|index| self.operation(*index)).collect();
        let filler = || {
            let key = anomaly.key?;
            let read = self.guilty(anomaly)?;
            let version = self.version_on(read, key)?;
            let source = self.source(read, key, version)?;
            let fill = self.fill(key, version, source)?;
            let newer = self.newer_write(anomaly, key, version);
            let newer = newer.and_then(|step| self.operation(step.operation?));
            Some((self.operation(fill.operation?)?, newer))
        };
        if let Some((filler, newer)) = filler() {
            told.push(filler);
            told.extend(newer);
        }
        told.sort_by_key(|operation| operation.invoke);
        told.dedup_by_key(|operation| operation.invoke);
        told
    }

    /// The way of the value that the read of `anomaly` returned; none where
    /// its steps do not show it.
    #[must_use]
    pub fn provenance(&self, anomaly: &Anomaly) -> Option<Provenance<'_>> {
        let key = anomaly.key?;
        let read = self.guilty(anomaly)?;
        let version = self.version_on(read, key)?;
        let source = self.source(read, key, version)?;
        let fill = (source.site == Site::Cache).then(|| self.fill(key, version, source)).flatten();
        let filler = fill.and_then(|step| self.operation(step.operation?));
        let fetched = filler
            .and_then(|operation| self.source(operation, key, version))
            .filter(|step| step.site != Site::Cache);
        let written = self.on(key).find(|step| {
            step.site == Site::Primary && step.reply == Reply::Done { version: Some(version) }
        });
        let newer = self.newer_write(anomaly, key, version);
        Some(Provenance { version, source, fill, fetched, written, newer })
    }

    /// The steps on the row or the cache entry of `key`, by their beginning.
    pub fn steps_on(&self, key: Key) -> impl Iterator<Item = &Step> {
        self.on(key)
    }

    /// The version that a step brought or wrote, if it is about a row.
    #[must_use]
    pub fn version_of(step: &Step) -> Option<u64> {
        found(step).or_else(|| stored(step)).or(match step.reply {
            Reply::Done { version } => version,
            _ => None,
        })
    }

    /// Whether the operation is a write that was acknowledged.
    #[must_use]
    pub fn acknowledged(&self, operation: &Operation) -> Option<Index> {
        operation.complete.filter(|end| self.history.events[end.position()].kind == Kind::Ok)
    }
}
