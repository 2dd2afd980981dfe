//! Every read of one key: was it stale, by how much, and out of what.

use std::{cmp::Reverse, time::Duration};

use super::{
    JudgeOptions, ReadFinding,
    collect::Collector,
    keyed::{Entry, Keyed, Split},
    tally::{Hit, Tally},
    versions, wording,
};
use crate::{
    Class, Content, Reply, Site, Version,
    register::{Clusters, RegisterAction, ValueId, Violation},
};

/// What is known about the order of one key's values.
#[derive(Debug)]
pub(super) struct Order {
    has_versions: bool,
    /// Whether every value that was written for certain has a version.
    is_complete: bool,
    /// Whether versions surely do not order the values: then only real time
    /// does.
    is_refuted: bool,
    /// Completed operations that showed a higher version than any that ended
    /// before them: (version, position in the entries), both ascending.
    records: Vec<(Version, usize)>,
    /// The same without versions that nobody told: only what was told can
    /// contradict what was told.
    told: Vec<(Version, usize)>,
    /// For each value: the operation that first ended among those on values
    /// that surely replaced it. Only known where the history is not
    /// linearizable; else no read can be stale by its value.
    replaced: Vec<Option<usize>>,
    /// For each value, when it was first known to be there, and when its
    /// write began, both plus one.
    spans: Vec<(u64, u64)>,
}

impl Order {
    /// Finds it out; `broken` are the clusters among which the register check
    /// found a contradiction.
    pub(super) fn of(keyed: &Keyed, broken: Option<&Clusters>) -> Self {
        let mut order = Self {
            has_versions: keyed.versions.iter().skip(1).any(Option::is_some),
            is_complete: keyed.entries.iter().all(|entry| {
                let is_known = entry.version.is_some() || keyed.never_was(entry.value());
                entry.complete.is_none() || is_known
            }),
            is_refuted: false,
            records: Vec::new(),
            told: Vec::new(),
            replaced: Vec::new(),
            spans: Vec::new(),
        };
        if order.has_versions {
            order.records = records(keyed, |_| true);
            order.told = records(keyed, |entry| !entry.is_inferred);
            order.is_refuted = versions::are_refuted(keyed, &order.told);
        }
        if let Some(clusters) = broken {
            order.spans = clusters.iter().map(|(_, c)| (c.first_return, c.write_invoked)).collect();
            order.spans.resize(keyed.values.len(), (u64::MAX, u64::MAX));
            order.replaced = replaced(clusters, keyed.values.len());
        }
        order
    }

    /// Whether values are ordered by their versions.
    pub(super) const fn is_by_version(&self) -> bool {
        self.has_versions && self.is_complete && !self.is_refuted
    }

    /// Whether versions surely do not order the values.
    pub(super) const fn is_refuted(&self) -> bool {
        self.is_refuted
    }

    /// The version that an operation saw or stored, where versions order.
    pub(super) fn version_of(&self, keyed: &Keyed, at: usize) -> Option<Version> {
        let is_ordered = self.has_versions && !self.is_refuted;
        keyed.entries[at].version.filter(|_| is_ordered)
    }

    /// When a value was first known to be there: what was written after that
    /// surely replaced it.
    pub(super) fn first_seen(&self, value: ValueId) -> Option<u64> {
        self.spans.get(value.position()).map(|&(seen, _)| seen)
    }

    /// When the write of a value began, on the same clock.
    pub(super) fn write_began(&self, value: ValueId) -> Option<u64> {
        let &(_, began) = self.spans.get(value.position())?;
        Some(began).filter(|began| *began != u64::MAX)
    }

    /// Whether the read at `at` was stale whatever its version: its value had
    /// surely been replaced.
    fn is_stale_by_value(&self, keyed: &Keyed, at: usize) -> bool {
        let read = &keyed.entries[at];
        let proof = self.replaced.get(read.value().position()).copied().flatten();
        proof.is_some_and(|proof| keyed.entries[proof].operation.returned < read.operation.invoked)
    }

    /// The operation that proves that the read at `at` was stale: it ended
    /// before the read began, on a newer value.
    pub(super) fn proof(&self, keyed: &Keyed, at: usize) -> Option<usize> {
        let read = &keyed.entries[at];
        let version = self.version_of(keyed, at);
        let by_version = version.and_then(|version| {
            let next = self.records.partition_point(|&(record, _)| record <= version);
            self.records.get(next).map(|&(_, proof)| proof)
        });
        // Real time orders values only where versions do not.
        let by_value = self.replaced.get(read.value().position()).copied().flatten();
        let by_value =
            by_value.filter(|&proof| version.is_none() || self.version_of(keyed, proof).is_none());
        let is_before =
            |proof: &usize| keyed.entries[*proof].operation.returned < read.operation.invoked;
        let ended = |proof: &usize| keyed.entries[*proof].operation.returned;
        let known = by_version.filter(is_before).into_iter();
        known.chain(by_value.filter(is_before)).min_by_key(ended)
    }
}

/// Completed operations that showed a higher version than any before them.
fn records(keyed: &Keyed, counts: impl Fn(&Entry) -> bool) -> Vec<(Version, usize)> {
    let mut records: Vec<(Version, usize)> = Vec::new();
    for (at, entry) in keyed.entries.iter().enumerate().filter(|(_, entry)| counts(entry)) {
        let Some(version) = entry.version.filter(|_| entry.complete.is_some()) else { continue };
        if records.last().is_none_or(|&(last, _)| version > last) {
            records.push((version, at));
        }
    }
    records
}

/// For each value the first-ended operation on any value whose write began
/// after the first one was known to be there.
fn replaced(clusters: &Clusters, values: usize) -> Vec<Option<usize>> {
    let mut by_write: Vec<(u64, u64, Option<usize>)> = clusters
        .iter()
        .filter(|(_, c)| c.writer().is_some())
        .map(|(_, c)| (c.write_invoked, c.first_return, c.first_returned()))
        .collect();
    by_write.sort_unstable();
    // From the right: the one that returned first from here on. What never did
    // is last, and no proof.
    for at in (1..by_write.len()).rev() {
        if by_write[at].1 < by_write[at - 1].1 {
            (by_write[at - 1].1, by_write[at - 1].2) = (by_write[at].1, by_write[at].2);
        }
    }
    let after = |first_return: u64| {
        let next = by_write.partition_point(|&(invoked, ..)| invoked <= first_return);
        by_write.get(next).and_then(|&(_, _, proof)| proof)
    };
    let mut replaced = vec![None; values];
    for (value, cluster) in clusters.iter() {
        // A value that was seen before its write began is a matter of its own.
        if cluster.first_return >= cluster.write_invoked {
            replaced[value.position()] = after(cluster.first_return);
        }
    }
    replaced
}

/// What was found in a key's reads, each of which is in one of these.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Reads by position in the entries, and the operation that proves each.
    stale: Vec<(usize, usize)>,
    /// Those that are stale whatever their versions.
    by_value: Vec<usize>,
    /// How far each of the stale ones was behind; none where versions do not tell.
    behind: Option<Vec<u64>>,
    impossible: Vec<(usize, Class)>,
    /// Reads that could have been stale, and those that were hits.
    at_risk: Vec<usize>,
    hits: Vec<usize>,
}

impl Found {
    /// Whether the reads already reported are the reason of a violation.
    pub(super) const fn explain(&self, violation: Violation) -> bool {
        match violation {
            Violation::NeverWritten { .. } | Violation::BeforeWritten { .. } => {
                !self.impossible.is_empty()
            }
            _ => !self.stale.is_empty(),
        }
    }

    /// What was found of every completed read.
    pub(super) fn findings(&self, keyed: &Keyed) -> impl Iterator<Item = ReadFinding> {
        let entries = keyed.entries.iter().enumerate();
        let reads = entries.filter(|(_, entry)| entry.is_read()).map(|(at, _)| at);
        reads.map(|at| self.finding(keyed, at))
    }

    /// The same of stale reads.
    pub(super) fn stale(&self, keyed: &Keyed) -> impl Iterator<Item = ReadFinding> {
        self.stale.iter().map(|&(at, _)| self.finding(keyed, at))
    }

    fn finding(&self, keyed: &Keyed, at: usize) -> ReadFinding {
        let read = &keyed.entries[at];
        let stale = self.stale.binary_search_by_key(&at, |&(read, _)| read).ok();
        let proof = stale.map(|n| &keyed.entries[self.stale[n].1]);
        let wrong = self.impossible.binary_search_by_key(&at, |&(read, _)| read).ok();
        ReadFinding {
            invoke: read.invoke,
            key: keyed.key,
            class: wrong.map(|n| self.impossible[n].1).or(stale.map(|_| Class::StaleRead)),
            stale_for: proof.map(|proof| read.begin.since(proof.end)),
            proof: proof.map(|proof| proof.invoke),
            version: read.version,
            versions_behind: stale.and_then(|n| Some(self.behind.as_ref()?[n])),
            is_stale_by_value: self.by_value.binary_search(&at).is_ok(),
            is_hit: self.hits.binary_search(&at).is_ok(),
            is_at_risk: self.at_risk.binary_search(&at).is_ok(),
        }
    }
}

/// Judges the reads of one key.
pub(super) fn judge(
    keyed: &Keyed,
    split: &Split<'_>,
    order: &Order,
    options: &JudgeOptions,
    collector: &mut Collector,
    tally: &mut Tally,
) -> Found {
    let mut found = Found::default();
    let writers = Writers::of(keyed);
    for (at, read) in keyed.entries.iter().enumerate().filter(|(_, entry)| entry.is_read()) {
        let is_hit = is_hit(keyed, split, at);
        tally.completed(read.begin, is_hit);
        if is_hit == Hit::Yes {
            found.hits.push(at);
        }
        if let Some(class) = writers.impossible(keyed, at) {
            found.impossible.push((at, class));
            tally.impossible(class);
            collector.add(wording::impossible(keyed, at, class, &writers.of_value));
            continue;
        }
        let proof = order.proof(keyed, at);
        let since_write = writers.since_acknowledged(keyed, at);
        let at_risk =
            since_write.filter(|since| options.risk_window.is_none_or(|window| *since <= window));
        let stale_for = proof.map(|proof| read.begin.since(keyed.entries[proof].end));
        tally.read(read.begin, at_risk, stale_for, is_hit);
        if at_risk.is_some() {
            found.at_risk.push(at);
        }
        if order.is_stale_by_value(keyed, at) {
            tally.by_values.stale_reads += 1;
            found.by_value.push(at);
        }
        if let Some(proof) = proof {
            found.stale.push((at, proof));
        }
    }
    misordered(keyed, order, collector, tally);
    let tells = order.has_versions && !order.is_refuted;
    let behind = tells.then(|| behind(keyed, order, &found.stale));
    if let Some(behind) = &behind {
        tally.behind(behind.iter().copied().max().unwrap_or(0));
    }
    let behind_by = |n: usize| behind.as_ref().map_or(0, |behind| behind[n]);
    for n in worst(keyed, &found.stale, behind_by, collector.most()) {
        let (at, proof) = found.stale[n];
        let stale_for = keyed.entries[at].begin.since(keyed.entries[proof].end);
        collector.add_with(Class::StaleRead, stale_for, || {
            wording::stale(keyed, order, at, proof, behind_by(n), &writers.of_value)
        });
    }
    found.behind = behind;
    found
}

/// The stale reads that can be among the worst, in their order: only they get a
/// witness, which costs a thousand times what finding them did.
fn worst(
    keyed: &Keyed,
    stale: &[(usize, usize)],
    behind_by: impl Fn(usize) -> u64,
    most: usize,
) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..stale.len()).collect();
    if stale.len() > most {
        let badness = |&n: &usize| {
            let (at, proof) = stale[n];
            let stale_for = keyed.entries[at].begin.since(keyed.entries[proof].end);
            (Reverse((stale_for, behind_by(n))), n)
        };
        numbers.select_nth_unstable_by_key(most, badness);
        numbers.truncate(most);
        numbers.sort_unstable();
    }
    numbers
}

/// Writes that were given a lower version than an operation had shown that
/// ended before they began: whatever the reads saw, the primary has gone back.
fn misordered(keyed: &Keyed, order: &Order, collector: &mut Collector, tally: &mut Tally) {
    for (earlier, write) in versions::misordered(keyed, &order.records) {
        tally.misordered += 1;
        collector.add(wording::misordered(keyed, earlier, write));
    }
}

/// Whether a read returned what one of its steps found in the cache.
fn is_hit(keyed: &Keyed, split: &Split<'_>, at: usize) -> Hit {
    let read = &keyed.entries[at];
    let returned = &keyed.values[read.value().position()];
    let is_found = split.steps_of.operation(read.invoke).any(|at| {
        let step = split.history.step(at);
        step.site == Site::Cache
            && matches!(&step.reply, Reply::Found(Content::Row { value, .. }) if value == returned)
    });
    if is_found { Hit::Yes } else { Hit::No }
}

/// Who wrote which value, and when writes were acknowledged.
struct Writers {
    of_value: Vec<Option<usize>>,
    /// For each value, whether it was written more than once.
    is_repeated: Vec<bool>,
    /// Acknowledged writes in order of completion.
    acknowledged: Vec<usize>,
}

impl Writers {
    fn of(keyed: &Keyed) -> Self {
        let mut of_value = vec![None; keyed.values.len()];
        let mut is_repeated = vec![false; keyed.values.len()];
        let mut acknowledged = Vec::new();
        for (at, entry) in keyed.entries.iter().enumerate() {
            if let Some(value) = entry.operation.action.written() {
                let value = value.position();
                is_repeated[value] = of_value[value].is_some();
                of_value[value].get_or_insert(at);
                if entry.complete.is_some() {
                    acknowledged.push(at);
                }
            }
        }
        Self { of_value, is_repeated, acknowledged }
    }

    /// Whether the read at `at` returned what nobody wrote, or not yet.
    fn impossible(&self, keyed: &Keyed, at: usize) -> Option<Class> {
        let read = &keyed.entries[at];
        let RegisterAction::Read(value) = read.operation.action else { return None };
        if value == ValueId::INITIAL {
            return None;
        }
        let Some(writer) = self.of_value[value.position()] else {
            // Which delete left an absent value behind may not be recorded.
            let is_known = !keyed.values[value.position()].is_nil();
            let is_failed = keyed.failed.contains_key(&value);
            return is_known.then_some(if is_failed {
                Class::DirtyRead
            } else {
                Class::PhantomRead
            });
        };
        let began = keyed.entries[writer].operation.invoked;
        // A value written twice has other writes that may explain the read.
        let is_early = read.operation.returned < began;
        (is_early && !self.is_repeated[value.position()]).then_some(Class::FutureRead)
    }

    /// How long before the read began the last write was acknowledged.
    fn since_acknowledged(&self, keyed: &Keyed, at: usize) -> Option<Duration> {
        let read = &keyed.entries[at];
        let returned = |write: &usize| keyed.entries[*write].operation.returned;
        let next = self.acknowledged.partition_point(|w| returned(w) < read.operation.invoked);
        let last = self.acknowledged.get(next.checked_sub(1)?)?;
        Some(read.begin.since(keyed.entries[*last].end))
    }
}

/// For each stale read, how many newer versions had been acknowledged when it
/// began: a sweep over time with a tree of counts by version.
fn behind(keyed: &Keyed, order: &Order, stale: &[(usize, usize)]) -> Vec<u64> {
    if stale.is_empty() {
        return Vec::new();
    }
    let mut writes: Vec<(u64, Version)> = Vec::new();
    for (at, entry) in keyed.entries.iter().enumerate() {
        if entry.complete.is_some() && !entry.is_read() {
            writes.extend(order.version_of(keyed, at).map(|v| (entry.operation.returned, v)));
        }
    }
    let mut ranks: Vec<Version> = writes.iter().map(|&(_, version)| version).collect();
    ranks.sort_unstable();
    let mut by_start: Vec<usize> = (0..stale.len()).collect();
    by_start.sort_unstable_by_key(|&n| keyed.entries[stale[n].0].operation.invoked);
    let mut tree = Counts(vec![0; ranks.len() + 1]);
    let mut behind = vec![0; stale.len()];
    let mut added = 0;
    for n in by_start {
        let (at, _) = stale[n];
        let invoked = keyed.entries[at].operation.invoked;
        while let Some(&(_, version)) = writes.get(added).filter(|w| w.0 < invoked) {
            tree.add(ranks.partition_point(|&v| v < version));
            added += 1;
        }
        if let Some(version) = order.version_of(keyed, at) {
            let older = tree.below(ranks.partition_point(|&v| v <= version));
            behind[n] = added as u64 - older;
        }
    }
    behind
}

/// A Fenwick tree.
struct Counts(Vec<u64>);

impl Counts {
    fn add(&mut self, at: usize) {
        let mut node = at + 1;
        while node < self.0.len() {
            self.0[node] += 1;
            node += node & node.wrapping_neg();
        }
    }

    /// How many were added at positions less than `at`.
    fn below(&self, at: usize) -> u64 {
        let mut node = at;
        let mut sum = 0;
        while node > 0 {
            sum += self.0[node];
            node &= node - 1;
        }
        sum
    }
}
