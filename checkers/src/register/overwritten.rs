//! How many writes of newer versions were over at some instant.

use rustc_hash::FxHashMap;

use super::VersionedRecord;

/// How many writes of a key were acknowledged, and the range of their versions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    count: usize,
    lowest: u64,
    highest: u64,
}

impl Default for Written {
    fn default() -> Self {
        Self { count: 0, lowest: u64::MAX, highest: 0 }
    }
}

impl Written {
    pub(super) fn add(&mut self, version: u64) {
        self.count += 1;
        self.lowest = self.lowest.min(version);
        self.highest = self.highest.max(version);
    }

    /// How many places the versions take if each has one of its own; none if
    /// that would be many more than there are writes. Versions count from the
    /// primary, so that only unacknowledged writes leave places empty.
    fn places(self) -> Option<usize> {
        if self.count == 0 {
            return Some(0);
        }
        let places = usize::try_from(self.highest - self.lowest).ok()?.checked_add(1)?;
        (places <= self.count.saturating_mul(4).saturating_add(16)).then_some(places)
    }
}

/// Acknowledged writes in order of version, in places of which some are empty.
struct Places {
    /// When the write ended; [`EMPTY`] if there is none.
    ended: Vec<u64>,
    /// The earliest end from here on, within the key.
    earliest: Vec<u64>,
    /// The latest end up to here, within the key.
    latest: Vec<u64>,
    /// How many writes there are up to here, within the key.
    count: Vec<u32>,
}

const EMPTY: u64 = u64::MAX;

impl Places {
    fn of(ended: Vec<u64>) -> Self {
        let places = ended.len();
        let (earliest, latest, count) = (vec![0; places], vec![0; places], vec![0; places]);
        Self { ended, earliest, latest, count }
    }

    /// Fills in the rest for the key from `start` to `end`.
    fn finish(&mut self, start: usize, end: usize) {
        let (mut latest, mut count) = (0, 0);
        for at in start..end {
            if self.ended[at] != EMPTY {
                latest = latest.max(self.ended[at]);
                count += 1;
            }
            (self.latest[at], self.count[at]) = (latest, count);
        }
        let mut earliest = EMPTY;
        for at in (start..end).rev() {
            earliest = earliest.min(self.ended[at]);
            self.earliest[at] = earliest;
        }
    }

    /// How many of the writes from `newer` to `end` had ended before `instant`,
    /// if that is more than `most`.
    ///
    /// What was certainly over is counted without looking at it; only writes
    /// that were under way then are looked at, and only by reads that may be
    /// the stalest.
    fn over(&self, newer: usize, end: usize, instant: u64, most: usize) -> Option<usize> {
        if newer + most >= end || self.earliest[newer + most] >= instant {
            return None;
        }
        let over = newer + self.latest[newer..end].partition_point(|latest| *latest < instant);
        let end = newer + self.earliest[newer..end].partition_point(|first| *first < instant);
        let up_to = |at: usize| self.count[at] as usize;
        let mut count = 0;
        if over > newer {
            count = up_to(over - 1) + usize::from(self.ended[newer] != EMPTY) - up_to(newer);
        }
        let under_way = self.ended.get(over..end).unwrap_or_default();
        count += under_way.iter().filter(|ended| **ended < instant).count();
        (count > most).then_some(count)
    }
}

/// The most newer writes that were over when some read began.
///
/// Nothing that returns after a read can have been over when it began, so in
/// order of return one pass sees for each read all writes that matter; as a
/// rule none is newer. Only reads that are many versions behind, or beside many
/// writes, are looked at afterwards, when all writes are there.
pub(super) fn most(records: &[VersionedRecord], written: &[Written]) -> usize {
    let Some((mut ranges, places)) = ranges(written) else { return most_of_sorted(records) };
    let mut ended = vec![EMPTY; places];
    let mut later: Vec<&VersionedRecord> = Vec::new();
    let mut most = 0;
    for record in records {
        let range = &mut ranges[record.key()];
        if record.is_write() {
            let place = &mut ended[range.start + (record.version - range.lowest) as usize];
            if *place != EMPTY {
                return most_of_sorted(records);
            }
            *place = record.returned;
            range.newest = range.newest.max(record.version);
        } else if range.newest > record.version {
            let newer = range.newer(record.version);
            let end = range.newer(range.newest);
            if end - newer > FEW {
                later.push(record);
            } else {
                let is_over = |end: &&u64| **end < record.invoked;
                most = most.max(ended[newer..end].iter().filter(is_over).count());
            }
        }
    }
    if later.is_empty() {
        return most;
    }
    let mut places = Places::of(ended);
    for range in &ranges {
        places.finish(range.start, range.end);
    }
    let count = |most: usize, read: &VersionedRecord| {
        let Range { end, .. } = ranges[read.key()];
        let newer = ranges[read.key()].newer(read.version);
        places.over(newer, end, read.invoked, most).unwrap_or(most)
    };
    later.into_iter().fold(most, count)
}

/// So many writes are looked at one by one.
const FEW: usize = 16;

/// Where the writes of a key are among all, by version.
#[derive(Clone, Copy)]
struct Range {
    start: usize,
    end: usize,
    lowest: u64,
    /// The highest version so far.
    newest: u64,
}

impl Range {
    /// The place of the first version newer than `version`.
    fn newer(&self, version: u64) -> usize {
        let skipped = version.checked_sub(self.lowest).map_or(0, |older| older.saturating_add(1));
        usize::try_from(skipped).map_or(self.end, |n| self.start.saturating_add(n).min(self.end))
    }
}

/// A range for each key, and how many places there are; none if the versions
/// of a key lie far apart.
fn ranges(written: &[Written]) -> Option<(Vec<Range>, usize)> {
    let mut ranges = Vec::with_capacity(written.len());
    let mut start = 0;
    for written in written {
        let end = start + written.places()?;
        ranges.push(Range { start, end, lowest: written.lowest, newest: 0 });
        start = end;
    }
    Some((ranges, start))
}

/// The same where two writes of a key got one version, or versions lie far
/// apart: they are sorted.
fn most_of_sorted(records: &[VersionedRecord]) -> usize {
    let mut writes: FxHashMap<usize, Vec<(u64, u64)>> = FxHashMap::default();
    for write in records.iter().filter(|record| record.is_write()) {
        writes.entry(write.key()).or_default().push((write.version, write.returned));
    }
    let sorted = writes.into_iter().map(|(key, mut writes)| {
        writes.sort_unstable();
        let mut places = Places::of(writes.iter().map(|(_, ended)| *ended).collect());
        places.finish(0, writes.len());
        (key, (writes, places))
    });
    let sorted: FxHashMap<usize, (Vec<(u64, u64)>, Places)> = sorted.collect();
    let reads = records.iter().filter(|record| !record.is_write());
    reads.fold(0, |most, read| {
        let Some((writes, places)) = sorted.get(&read.key()) else { return most };
        let newer = writes.partition_point(|(version, _)| *version <= read.version);
        places.over(newer, writes.len(), read.invoked, most).unwrap_or(most)
    })
}
