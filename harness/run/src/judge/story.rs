//! What tells how an anomaly came about: whoever shows one to a person asks here.

use quarrel_checkers::{
    Anomaly, Class, Content, Index, Key, Kind, Operation, Probe, Reply, Site, Step, StepAt, Version,
};

use super::{CauseEvidence, steps::is_of_cache};

/// The way of a value that must not have been read: who wrote it, who put it
/// into the cache, from where, and what had overwritten it by then.
#[derive(Clone, Debug)]
pub struct Provenance<'a> {
    /// The version that was read.
    pub version: Version,
    /// The step of the read that found it.
    pub source: StepAt<'a>,
    /// The step that had put it into the cache, if it was found there.
    pub fill: Option<StepAt<'a>>,
    /// The step that had fetched it for that.
    pub fetched: Option<StepAt<'a>>,
    /// The step that had written it to the primary.
    pub written: Option<StepAt<'a>>,
    /// The step that overwrote it on the primary.
    pub newer: Option<StepAt<'a>>,
}

impl<'a> CauseEvidence<'a> {
    /// The write that a stale read should have seen: the newest that had been
    /// acknowledged when it began. None where versions do not tell.
    #[must_use]
    pub fn due(&self, anomaly: &Anomaly) -> Option<&Operation> {
        let key = anomaly.key?;
        let is_stale = anomaly.class == Class::StaleRead && anomaly.versions_behind > 0;
        let read = self.guilty(anomaly).filter(|_| is_stale)?;
        let seen = self.version_on(read, key)?;
        let time = |index: Index| self.history().event(index).time;
        let asked = time(read.invoke);
        // Between it and what was read may lie writes that nobody acknowledged:
        // it cannot be counted off.
        let acknowledged = self.on_before(key, asked).filter_map(|step| {
            let version = self.versions.written(&step).filter(|version| *version > seen)?;
            let write = self.operation_at(step.operation?)?;
            (time(self.acknowledged(write)?) <= asked).then_some((version, write))
        });
        acknowledged.max_by_key(|(version, _)| *version).map(|(_, write)| write)
    }

    /// The operations whose steps tell how the value of `anomaly` came to be
    /// read: the read, what filled the cache with it, the write that had
    /// overwritten it, and the one that should have been seen instead. In order
    /// of their beginning.
    #[must_use]
    pub fn story(&self, anomaly: &Anomaly) -> Vec<&Operation> {
        let mut told: Vec<&Operation> =
            anomaly.witness.iter().filter_map(|index| self.operation_at(*index)).collect();
        let filler = || {
            let key = anomaly.key?;
            let read = self.guilty(anomaly)?;
            let version = self.version_on(read, key)?;
            let source = self.source(read, key, version)?;
            let fill = self.fill(key, version, &source)?;
            let newer = self.newer_write(anomaly, key, version);
            let newer = newer.and_then(|step| self.operation_at(step.operation?));
            Some((self.operation_at(fill.operation?)?, newer))
        };
        if let Some((filler, newer)) = filler() {
            told.push(filler);
            told.extend(newer);
        }
        told.extend(self.due(anomaly));
        told.sort_by_key(|operation| operation.invoke);
        told.dedup_by_key(|operation| operation.invoke);
        told
    }

    /// The way of the value that the read of `anomaly` returned; none where
    /// its steps do not show it.
    #[must_use]
    pub fn provenance(&self, anomaly: &Anomaly) -> Option<Provenance<'a>> {
        let key = anomaly.key?;
        let read = self.guilty(anomaly)?;
        let version = self.version_on(read, key)?;
        let source = self.source(read, key, version)?;
        let fill = (source.site == Site::Cache).then(|| self.fill(key, version, &source)).flatten();
        let filler = fill.as_ref().and_then(|step| self.operation_at(step.operation?));
        let fetched = filler
            .and_then(|operation| self.source(operation, key, version))
            .filter(|step| step.site != Site::Cache);
        let written = self.first_of(key, version);
        let newer = self.newer_write(anomaly, key, version);
        Some(Provenance { version, source, fill, fetched, written, newer })
    }

    /// The steps on the row or the cache entry of `key`, by their beginning.
    pub fn steps_on(&self, key: Key) -> impl Iterator<Item = StepAt<'a>> + use<'_, 'a> {
        self.on(key)
    }

    /// The version that a step brought or wrote, if it is about a row.
    #[must_use]
    pub fn version_of(&self, step: &Step) -> Option<Version> {
        let brought = || self.versions.found(step).or_else(|| self.versions.stored(step));
        brought().or_else(|| self.versions.written(step))
    }

    /// The number that a step itself tells, if it is about a row: what a label
    /// says of it. It orders nothing.
    #[must_use]
    pub fn number_of(step: &Step) -> Option<u64> {
        let row = |content: &Content| match content {
            Content::Row { version, .. } => Some(*version),
            _ => None,
        };
        let stored = step.argument.as_ref().filter(|_| is_of_cache(step));
        match &step.reply {
            Reply::Found(content) => row(content),
            Reply::Done { version } => stored.and_then(row).or(*version),
            _ => stored.and_then(row),
        }
    }

    /// The version of what a store held when it was looked at.
    #[must_use]
    pub fn version_at(&self, probe: &Probe) -> Version {
        self.versions.of_row(probe.key, &probe.value, probe.version)
    }

    /// Whether the operation is a write that was acknowledged.
    #[must_use]
    pub fn acknowledged(&self, operation: &Operation) -> Option<Index> {
        operation.complete.filter(|end| self.history().event(*end).kind == Kind::Ok)
    }
}
