//! Which version each value of a key is, and whether versions order them.
//!
//! A write knows its version better than its readers: what a cache holds tells
//! a number, and not the timeline on which that was given. So a value is of
//! the version that its write was told; only where the write was told none, a
//! reader's number counts, on the timeline on which the write was made.

use rustc_hash::FxHashMap;

use super::keyed::{Entry, Keyed};
use crate::{HistoryRef, Version, register::ValueId};

/// The timelines of the primary that a history tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timelines {
    /// One, whichever it is: it goes by the name of the first.
    One,
    /// There was a failover.
    Several,
}

impl Timelines {
    pub(super) fn of(history: HistoryRef<'_>) -> Self {
        let mut told = history.events().filter_map(|event| event.timeline);
        let Some(first) = told.next() else { return Self::One };
        if told.any(|timeline| timeline != first) || first != 1 && is_untold(history) {
            return Self::Several;
        }
        Self::One
    }

    /// On which a write happened that was acknowledged.
    fn acknowledged(self, told: Option<u32>) -> u32 {
        told.filter(|_| self == Self::Several).unwrap_or(1)
    }

    /// On which one happened whose outcome nobody was told.
    fn unknown(self, told: Option<u32>) -> Option<u32> {
        if self == Self::One { Some(1) } else { told }
    }
}

/// Whether a write was acknowledged with a version and without a timeline: it
/// happened on the first.
fn is_untold(history: HistoryRef<'_>) -> bool {
    let is_write = |event: &crate::Event| event.op.f != crate::F::Read;
    history.events().any(|event| {
        event.kind == crate::Kind::Ok
            && is_write(&event)
            && event.op.version.is_some()
            && event.timeline.is_none()
    })
}

/// Gives every value, and every entry, its version.
pub(super) fn resolve(keyed: &mut Keyed, timelines: Timelines) {
    let number_of = |entry: &Entry, timeline| {
        let number = entry.number?;
        Some(if number == 0 { Version::ABSENT } else { Version { timeline, number } })
    };
    let mut writes = vec![0_u32; keyed.values.len()];
    let mut versions: Vec<Option<Version>> = vec![None; keyed.values.len()];
    let mut unknown: Vec<Option<u32>> = vec![timelines.unknown(None); keyed.values.len()];
    for entry in keyed.entries.iter_mut().filter(|entry| !entry.is_read()) {
        let value = entry.value().position();
        writes[value] += 1;
        entry.version = number_of(entry, timelines.acknowledged(entry.timeline));
        versions[value] = entry.version.or(versions[value]);
        unknown[value] = timelines.unknown(entry.timeline);
    }
    if !keyed.has_deletes() {
        versions[0] = Some(Version::ABSENT);
    }
    keyed.written = writes.iter().map(|count| *count > 0).collect();
    let reads = keyed.entries.iter().filter(|entry| entry.is_read() && entry.number.is_some());
    for read in reads.filter(|read| !keyed.never_was(read.value())) {
        let value = read.value().position();
        if versions[value].is_none() {
            versions[value] = unknown[value].and_then(|timeline| number_of(read, timeline));
        }
    }
    let repeated = repeated(keyed, &writes);
    for entry in &mut keyed.entries {
        let value = entry.value();
        if writes[value.position()] < 2 {
            entry.version = versions[value.position()];
        } else if entry.is_read() {
            // Which of the writes it saw, the number tells, if anything does.
            entry.version = match entry.number {
                Some(number) => repeated.get(&(value, number)).copied().or_else(|| {
                    let timeline = timelines.unknown(None)?;
                    Some(Version { timeline, number })
                }),
                None => versions[value.position()],
            };
        }
    }
    keyed.versions = versions;
}

/// The versions of values that were written more than once, by their numbers.
fn repeated(keyed: &Keyed, writes: &[u32]) -> FxHashMap<(ValueId, u64), Version> {
    let versions = keyed.entries.iter().filter(|entry| !entry.is_read()).filter_map(|entry| {
        let version = entry.version.filter(|_| writes[entry.value().position()] > 1)?;
        Some(((entry.value(), version.number), version))
    });
    versions.collect()
}

/// Whether versions surely do not order the values of a key: two different
/// values have one version, or a write got a lower one than had been seen
/// before it began. A primary that has lost writes counts so, where nobody
/// tells its timelines. `records` are the operations that showed a higher
/// version than any that ended before them.
pub(super) fn are_refuted(keyed: &Keyed, records: &[(Version, usize)]) -> bool {
    let of_values = keyed.versions.iter().enumerate();
    let of_values = of_values.filter_map(|(at, version)| Some(((*version)?, at)));
    let writes = keyed.entries.iter().filter(|entry| !entry.is_read());
    let of_writes = writes.filter_map(|write| Some((write.version?, write.value().position())));
    let mut told: Vec<(Version, usize)> = of_values.chain(of_writes).collect();
    told.sort_unstable();
    told.dedup();
    let is_shared = told.windows(2).any(|pair| pair[0].0 == pair[1].0);
    is_shared || against_time(keyed, records).next().is_some()
}

/// Acknowledged writes that were given a lower version than an operation had
/// shown that ended before they began: the operation and the write.
pub(super) fn misordered<'a>(
    keyed: &'a Keyed,
    records: &'a [(Version, usize)],
) -> impl Iterator<Item = (usize, usize)> + 'a {
    // What nobody told refutes no versions: it is the read that is wrong then,
    // whichever absence it saw.
    let counts = |&(earlier, write): &(usize, usize)| {
        keyed.entries[write].complete.is_some() || keyed.entries[earlier].is_inferred
    };
    against_time(keyed, records).filter(counts)
}

/// The same of every write, whether it was acknowledged or only read.
fn against_time<'a>(
    keyed: &'a Keyed,
    records: &'a [(Version, usize)],
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let writes = keyed.entries.iter().enumerate().filter(|(_, entry)| !entry.is_read());
    writes.filter_map(move |(at, write)| {
        let version = write.version?;
        let next = records.partition_point(|&(record, _)| record <= version);
        let &(_, earlier) = records.get(next)?;
        let is_before = keyed.entries[earlier].operation.returned < write.operation.invoked;
        is_before.then_some((earlier, at))
    })
}
