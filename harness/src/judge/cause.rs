use quarrel_checkers::{
    Anomaly, Cause, Class, Content, History, Index, Key, Kind, Operation, Process, Reply, Site,
    Step,
};
use rustc_hash::FxHashMap;

/// Where a history's operations and steps are, for looking up how a value came
/// to be read.
pub struct Evidence<'a> {
    history: &'a History,
    operations: Vec<Operation>,
    /// Positions of operations by the events that begin and end them.
    of_event: FxHashMap<Index, usize>,
    /// Positions of the steps on a key's own entry or row, by start.
    on_key: FxHashMap<Key, Vec<usize>>,
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
        Some(Self { history, operations, of_event, on_key })
    }

    fn cause(&self, anomaly: &Anomaly) -> Cause {
        self.explain(anomaly).unwrap_or(Cause::Unexplained)
    }

    fn explain(&self, anomaly: &Anomaly) -> Option<Cause> {
        if anomaly.class == Class::LostWrite {
            // No read is needed to see it: the primary holds something else.
            return Some(Cause::LostWrite);
        }
        let key = anomaly.key?;
        let read = self.last_read(anomaly)?;
        let complete = &self.history.events[read.complete?.position()];
        let stale = complete.op.version?;
        let source = self.source(read, stale)?;
        if source.site == Site::Replica {
            return Some(Cause::ReplicaLag);
        }
        if source.site != Site::Cache {
            return None;
        }
        let newer = self.newer_write(anomaly, key, stale)?;
        match self.fill(key, stale, source) {
            Some(fill) => Some(self.fill_cause(key, fill, newer, source)),
            None => Some(self.old_entry_cause(key, newer, source)),
        }
    }

    /// The entry was there before the history began.
    fn old_entry_cause(&self, key: Key, newer: &Step, hit: &Step) -> Cause {
        let removed = self.on(key).any(|step| {
            step.verb == "DEL"
                && matches!(step.reply, Reply::Done { .. })
                && step.end.is_some_and(|end| end < hit.start)
        });
        if removed {
            return Cause::ResurrectedEntry;
        }
        let deletes: Vec<_> = self.invalidations(newer).collect();
        self.missing_invalidation(newer, &deletes)
    }

    /// The read that the anomaly is about: the last in its witness.
    fn last_read(&self, anomaly: &Anomaly) -> Option<&Operation> {
        anomaly
            .witness
            .iter()
            .rev()
            .find_map(|index| self.operation(*index))
            .filter(|operation| operation.complete.is_some())
    }

    fn operation(&self, index: Index) -> Option<&Operation> {
        self.operations.get(*self.of_event.get(&index)?)
    }

    /// The step of `read` that brought the value it returned.
    fn source(&self, read: &Operation, version: u64) -> Option<&Step> {
        let steps = read.steps.iter().rev().map(|position| &self.history.steps[*position]);
        steps.filter(|step| found(step) == Some(version)).find(|step| step.verb != "SET")
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

    fn fill_cause(&self, key: Key, fill: &Step, newer: &Step, hit: &Step) -> Cause {
        let deletes: Vec<_> = self.invalidations(newer).collect();
        let removed = self.on(key).any(|step| {
            step.verb == "DEL"
                && matches!(step.reply, Reply::Done { .. })
                && fill.end.is_some_and(|end| end < step.start)
                && step.end.is_some_and(|end| end < hit.start)
        });
        if removed {
            // Deleted after it was stored, and there again. A store whose
            // client had given up may have run late; else the cache itself
            // brought it back.
            return match fill.reply {
                Reply::Pending | Reply::Failed { .. } => Cause::LateMessage,
                _ => Cause::ResurrectedEntry,
            };
        }
        let filler = fill.operation.and_then(|invoke| self.operation(invoke));
        let filled_by_write = filler.is_some_and(|operation| {
            self.history.events[operation.invoke.position()].op.f == quarrel_checkers::F::Write
        });
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
                false => self.missing_invalidation(newer, &deletes),
            };
        }
        let source = filler.and_then(|operation| self.source(operation, stored(fill)?));
        let committed_before = |step: &Step| newer.end.is_some_and(|end| end <= step.start);
        match source {
            Some(step) if step.site == Site::Replica && committed_before(step) => {
                Cause::ReplicaLagRefill
            }
            Some(_) if deletes.iter().any(|delete| Some(delete.start) < fill.end) => {
                Cause::InFlightRefill
            }
            Some(_) => self.missing_invalidation(newer, &deletes),
            None => Cause::Unexplained,
        }
    }

    /// The entry is older than the write, and the write's own invalidation
    /// did not remove it.
    fn missing_invalidation(&self, newer: &Step, deletes: &[&Step]) -> Cause {
        match deletes {
            // An operation that no client asked for: somebody's plain SQL.
            [] if newer.operation.is_some() && matches!(newer.process, Process::Agent(_)) => {
                Cause::OutOfBandChange
            }
            [] => Cause::ExpiryOnly,
            steps if steps.iter().all(|step| matches!(step.reply, Reply::Done { .. })) => {
                Cause::Unexplained
            }
            _ => Cause::FailedInvalidation,
        }
    }

    /// What the write of `update` did to the cache.
    fn invalidations(&self, update: &'a Step) -> impl Iterator<Item = &Step> {
        let operation = update.operation.and_then(|invoke| self.operation(invoke));
        let steps = operation.map(|operation| operation.steps.as_slice()).unwrap_or_default();
        steps
            .iter()
            .map(|position| &self.history.steps[*position])
            .filter(|step| step.site == Site::Cache && step.verb != "GET")
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
            let read = self.last_read(anomaly)?;
            let version = self.history.events[read.complete?.position()].op.version?;
            let source = self.source(read, version)?;
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
        let read = self.last_read(anomaly)?;
        let version = self.history.events[read.complete?.position()].op.version?;
        let source = self.source(read, version)?;
        let fill = (source.site == Site::Cache).then(|| self.fill(key, version, source)).flatten();
        let filler = fill.and_then(|step| self.operation(step.operation?));
        let fetched = filler
            .and_then(|operation| self.source(operation, version))
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

fn found(step: &Step) -> Option<u64> {
    match &step.reply {
        Reply::Found(Content::Row { version, .. }) => Some(*version),
        _ => None,
    }
}

fn stored(step: &Step) -> Option<u64> {
    match &step.argument {
        Some(Content::Row { version, .. }) if step.site == Site::Cache => Some(*version),
        _ => None,
    }
}
