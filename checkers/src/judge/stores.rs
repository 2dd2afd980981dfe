//! What the stores held: divergence, convergence, lost writes.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use rustc_hash::FxHashMap;

use super::{
    DivergenceWindow, JudgeOptions, Probe, ProbePhase,
    collect::Collector,
    keyed::{Entry, Keyed, Split},
    tally::Tally,
    wording,
};
use crate::{Key, Site, Time, Version, register::ValueId};

/// Judges what the probes saw.
pub(super) fn judge(
    split: &Split<'_>,
    probes: &[Probe],
    options: &JudgeOptions,
    collector: &mut Collector,
    tally: &mut Tally,
) {
    let mut by_key: BTreeMap<Key, Vec<&Probe>> = BTreeMap::new();
    for probe in probes {
        by_key.entry(probe.key).or_default().push(probe);
    }
    for keyed in &split.keys {
        let primary = keyed.key.and_then(|key| last(by_key.get(&key)?, Site::Primary));
        lost(keyed, primary, collector, tally);
    }
    let keyed: FxHashMap<Key, &Keyed> =
        split.keys.iter().filter_map(|keyed| Some((keyed.key?, keyed))).collect();
    let mut windows = Vec::new();
    for (key, probes) in &mut by_key {
        compare(*key, probes, keyed.get(key).copied(), collector, tally);
        probes.sort_by_key(|probe| probe.start);
        windows.extend(diverged(*key, probes, keyed.get(key).copied()));
    }
    let metrics = &mut tally.metrics;
    metrics.divergence_window_count = windows.len() as u64;
    let is_open = windows.iter().any(|window| window.to.is_none());
    metrics.convergence.since =
        windows.iter().filter_map(|window| window.to).max().filter(|_| !is_open);
    let end = probes.iter().map(|probe| probe.end).max().unwrap_or_default();
    windows.sort_by_key(|window| (Reverse(window.length(end)), window.key, window.from));
    windows.truncate(options.max_anomalies);
    metrics.divergence_windows = windows;
}

/// The last final probe of a store.
fn last<'a>(probes: &[&'a Probe], site: Site) -> Option<&'a Probe> {
    let of_site = probes.iter().filter(|p| p.site == site && p.phase == ProbePhase::Final);
    of_site.max_by_key(|probe| probe.end).copied()
}

/// Whether a store that holds something else than the primary contradicts it.
/// A cache may hold nothing.
fn disagrees(primary: &Probe, other: &Probe) -> bool {
    if other.value.is_nil() && other.site == Site::Cache {
        return false;
    }
    let differs_in_version =
        other.version != primary.version && other.version > 0 && primary.version > 0;
    differs_in_version || other.value != primary.value
}

/// Compares the final probes of one key.
fn compare(
    key: Key,
    probes: &[&Probe],
    keyed: Option<&Keyed>,
    collector: &mut Collector,
    tally: &mut Tally,
) {
    let Some(primary) = last(probes, Site::Primary) else { return };
    let others: Vec<&Probe> =
        [Site::Replica, Site::Cache].iter().filter_map(|&site| last(probes, site)).collect();
    if others.is_empty() {
        return;
    }
    let convergence = &mut tally.metrics.convergence;
    convergence.keys_compared += 1;
    let apart: Vec<&Probe> = others.into_iter().filter(|other| disagrees(primary, other)).collect();
    convergence.keys_agreeing += u64::from(apart.is_empty());
    for other in apart {
        collector.add(wording::divergence(key, primary, other, keyed));
    }
}

/// Acknowledged writes that the primary does not hold in the end, and writes
/// that were given a version that another one had.
fn lost(keyed: &Keyed, primary: Option<&Probe>, collector: &mut Collector, tally: &mut Tally) {
    let mut lost: BTreeSet<usize> = BTreeSet::new();
    let writes = || {
        let entries = keyed.entries.iter().enumerate();
        entries.filter(|(_, entry)| !entry.is_read() && entry.complete.is_some())
    };
    if let Some(primary) = primary {
        let held = keyed.known_id(&primary.value, primary.version);
        for (at, _) in writes().filter(|&(at, _)| is_gone(keyed, at, primary, held)) {
            lost.insert(at);
            collector.add(wording::lost(keyed, at, primary));
        }
    }
    let overtaken = Overtaken::of(keyed);
    for (at, entry) in writes() {
        let first = entry.version.and_then(|version| overtaken.first_after(version));
        if let Some(first) = first
            && lost.insert(at)
        {
            collector.add(wording::overtaken(keyed, at, first));
        }
    }
    let mut of_version: FxHashMap<Version, usize> = FxHashMap::default();
    for (at, entry) in writes() {
        let Some(version) = entry.version else { continue };
        let first = *of_version.entry(version).or_insert(at);
        let is_same = keyed.entries[first].value() == entry.value();
        if !is_same && !lost.contains(&first) && lost.insert(at) {
            collector.add(wording::same_version(keyed, first, at, version));
        }
    }
    tally.metrics.lost_updates += lost.len() as u64;
}

/// For each timeline of a key the lowest number on it or any later one.
struct Overtaken(Vec<Version>);

impl Overtaken {
    fn of(keyed: &Keyed) -> Self {
        let mut versions: Vec<Version> =
            keyed.entries.iter().filter_map(|entry| entry.version).collect();
        versions.retain(|version| *version != Version::ABSENT);
        versions.sort_unstable();
        versions.dedup_by_key(|version| version.timeline);
        for at in (1..versions.len()).rev() {
            if versions[at].number < versions[at - 1].number {
                versions[at - 1] = versions[at];
            }
        }
        Self(versions)
    }

    /// The version of a later timeline whose number is no higher, if there is
    /// one: whoever was promoted did not have `version`.
    fn first_after(&self, version: Version) -> Option<Version> {
        let later = self.0.iter().filter(|first| first.timeline > version.timeline);
        later.min_by_key(|first| first.number).filter(|f| f.number <= version.number).copied()
    }
}

/// Whether the acknowledged write at `at` is neither what the primary holds
/// nor older than that.
fn is_gone(keyed: &Keyed, at: usize, primary: &Probe, held: Option<ValueId>) -> bool {
    let write = &keyed.entries[at];
    if held == Some(write.value()) {
        return false;
    }
    if let Some(version) = write.number {
        return version > primary.version
            || (version == primary.version
                && keyed.values[write.value().position()] != primary.value);
    }
    if primary.value.is_nil() {
        // Without versions a delete of unknown time may have removed it.
        return !keyed.has_deletes();
    }
    // Without versions: the held value was there before this write began.
    let first = held.and_then(|held| keyed.by_value().first_ended(held));
    first.is_some_and(|at| keyed.entries[at].operation.returned < write.operation.invoked)
}

/// Intervals in which a store was behind the primary; `probes` in order of
/// their start.
fn diverged(key: Key, probes: &[&Probe], keyed: Option<&Keyed>) -> Vec<DivergenceWindow> {
    let mut windows = Vec::new();
    for site in [Site::Replica, Site::Cache] {
        let mut primary = Primary::of(probes, keyed);
        let mut open: Option<DivergenceWindow> = None;
        for probe in probes.iter().filter(|probe| probe.site == site) {
            let newest = primary.version_before(probe.start);
            let is_absent = probe.value.is_nil() && site == Site::Cache;
            let held = version_of(probe, keyed);
            if !is_absent && held < newest {
                // What failed over counts on from a lower number.
                let behind = newest.number.saturating_sub(held.number).max(1);
                let window = open.get_or_insert(DivergenceWindow {
                    key,
                    site,
                    from: probe.end,
                    to: None,
                    versions_behind: 0,
                });
                window.versions_behind = window.versions_behind.max(behind);
            } else if let Some(mut window) = open.take() {
                window.to = Some(probe.start);
                windows.push(window);
            }
        }
        windows.extend(open);
    }
    windows
}

/// The version of what a probe found: of its value, if that is known; else the
/// number that it told, on the first timeline.
fn version_of(probe: &Probe, keyed: Option<&Keyed>) -> Version {
    let known = keyed.and_then(|keyed| {
        let id = keyed.known_id(&probe.value, probe.version)?;
        keyed.versions[id.position()].filter(|version| version.number == probe.version)
    });
    known.unwrap_or_else(|| Version::first(probe.version))
}

/// Which version the primary was known to hold, as time goes on.
struct Primary {
    /// (when it was known, version, when the question began), in order.
    known: Vec<(Time, Version, Time)>,
    next: usize,
    version: Version,
    acknowledged: Time,
}

impl Primary {
    fn of(probes: &[&Probe], keyed: Option<&Keyed>) -> Self {
        let probed = probes.iter().filter(|probe| probe.site == Site::Primary);
        let mut known: Vec<(Time, Version, Time)> =
            probed.map(|probe| (probe.end, version_of(probe, keyed), probe.start)).collect();
        let entries = keyed.map_or(&[][..], |keyed| &keyed.entries);
        let acknowledged = |entry: &&Entry| !entry.is_read() && entry.complete.is_some();
        for entry in entries.iter().filter(acknowledged) {
            known.extend(entry.version.map(|version| (entry.end, version, Time::MAX)));
        }
        known.sort_unstable();
        Self { known, next: 0, version: Version::ABSENT, acknowledged: Time::ZERO }
    }

    /// The version that it held for certain before `time`; asked in order.
    fn version_before(&mut self, time: Time) -> Version {
        while let Some(&(at, version, asked)) = self.known.get(self.next).filter(|k| k.0 < time) {
            self.next += 1;
            if asked == Time::MAX {
                self.acknowledged = at;
                self.version = self.version.max(version);
            } else if asked > self.acknowledged {
                // A probe that began later may show that versions were lost.
                self.version = version;
            } else {
                self.version = self.version.max(version);
            }
        }
        self.version
    }
}
