//! The steps on one key, and what is looked up among them: a long run has
//! hundreds of thousands on each, and asks about each of its anomalies.

use std::{ops::Range, sync::OnceLock};

use quarrel_checkers::{Content, Key, Site, Step, StepAt, Time, Value, Version};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    CauseEvidence,
    steps::{is_of_cache, may_be_committed, succeeded, value},
};

/// The steps on a key's own entry or row.
#[derive(Default)]
pub(super) struct OnKey {
    /// Their positions in the history, by start.
    pub(super) positions: Vec<u32>,
    /// Made when it is first asked for: most keys have no anomaly.
    index: OnceLock<KeyIndex>,
}

/// A step by its place among those of its key.
type Rank = u32;

/// What is looked up.
struct KeyIndex {
    /// What stored rows in the cache, by their versions, then by start.
    rows: Vec<(Version, Rank)>,
    /// What stored something else there, by start, each without a version.
    others: Vec<(Version, Rank)>,
    /// What stored rows there without a version, and did so, by start.
    unnumbered: Vec<Rank>,
    /// What the primary gave a version, by start, each with the highest version
    /// up to it.
    commits: Vec<(Version, Rank)>,
    /// The same by version, then by start.
    by_version: Vec<(Version, Rank)>,
    /// When somebody put into the cache what his own operation writes, each with
    /// the latest time at which one of them up to it reached the primary.
    own: Vec<(Time, Time)>,
    /// What may have reached the primary.
    committed: FxHashSet<Value>,
}

impl<'a> CauseEvidence<'a> {
    pub(super) fn on(&self, key: Key) -> impl DoubleEndedIterator<Item = StepAt<'a>> + use<'_, 'a> {
        self.steps(self.positions(key))
    }

    /// The same of those that began before `end`.
    pub(super) fn on_before(
        &self,
        key: Key,
        end: Time,
    ) -> impl DoubleEndedIterator<Item = StepAt<'a>> + use<'_, 'a> {
        let positions = self.positions(key);
        self.steps(&positions[..self.began_before(positions, end)])
    }

    /// The same of those that began at `from` or later, and before `end`.
    pub(super) fn on_between(
        &self,
        key: Key,
        from: Time,
        end: Time,
    ) -> impl DoubleEndedIterator<Item = StepAt<'a>> + use<'_, 'a> {
        let positions = self.positions(key);
        let range = self.began_before(positions, from)..self.began_before(positions, end);
        self.steps(positions.get(range).unwrap_or_default())
    }

    fn began_before(&self, positions: &[u32], time: Time) -> usize {
        positions.partition_point(|position| self.step(*position).start < time)
    }

    fn positions(&self, key: Key) -> &[u32] {
        self.on_key.get(&key).map(|on| on.positions.as_slice()).unwrap_or_default()
    }

    pub(super) fn steps<'s>(
        &'s self,
        positions: &'s [u32],
    ) -> impl DoubleEndedIterator<Item = StepAt<'a>> + use<'s, 'a> {
        positions.iter().map(|position| self.step(*position))
    }

    fn step(&self, position: u32) -> StepAt<'a> {
        self.history().step(position as usize)
    }

    /// What stored `content` in the cache under the key, or that version of the
    /// row, by start. Rows that have no version yet are told apart by their
    /// values.
    pub(super) fn stores(
        &self,
        key: Key,
        content: &Content,
    ) -> impl Iterator<Item = StepAt<'a>> + use<'_, 'a> {
        let version = self.versions.of_found(key, content);
        let ranks = self.index(key).map(|index| match version {
            Some(version) => index.rows[of_version(&index.rows, version)].iter(),
            None => index.others.iter(),
        });
        let content = content.clone();
        ranks.into_iter().flatten().map(move |(_, rank)| self.ranked(key, *rank)).filter(
            move |step| {
                let is_numbered = version.is_some_and(|version| version != Version::ABSENT);
                is_numbered || step.argument.as_ref() == Some(&content)
            },
        )
    }

    /// What stored a row in the cache under the key without a version, by start.
    pub(super) fn unnumbered(&self, key: Key) -> impl Iterator<Item = StepAt<'a>> + use<'_, 'a> {
        let ranks = self.index(key).map(|index| &index.unnumbered[..]).unwrap_or_default();
        ranks.iter().map(move |rank| self.ranked(key, *rank))
    }

    /// The first step by which the primary gave the key's row a version above
    /// `version`.
    pub(super) fn first_above(&self, key: Key, version: Version) -> Option<StepAt<'a>> {
        let index = self.index(key)?;
        let at = index.commits.partition_point(|(highest, _)| *highest <= version);
        index.commits.get(at).map(|(_, rank)| self.ranked(key, *rank))
    }

    /// The first step by which the primary gave the key's row this version.
    pub(super) fn first_of(&self, key: Key, version: Version) -> Option<StepAt<'a>> {
        let index = self.index(key)?;
        let first = of_version(&index.by_version, version).start;
        let (found, rank) = index.by_version.get(first)?;
        (*found == version).then(|| self.ranked(key, *rank))
    }

    /// Whether before `end` somebody had put into the cache what his own
    /// operation writes, and it had not reached the primary at `at`.
    pub(super) fn was_ahead(&self, key: Key, end: Time, at: Time) -> bool {
        let Some(index) = self.index(key) else { return false };
        let stored = index.own.partition_point(|(start, _)| *start < end);
        index.own[..stored].last().is_some_and(|(_, reached)| *reached > at)
    }

    /// Whether a value may have reached the primary under the key.
    pub(super) fn may_have_reached(&self, key: Key, value: &Value) -> bool {
        self.index(key).is_some_and(|index| index.committed.contains(value))
    }

    fn ranked(&self, key: Key, rank: Rank) -> StepAt<'a> {
        self.step(self.positions(key)[rank as usize])
    }

    fn index(&self, key: Key) -> Option<&KeyIndex> {
        let on = self.on_key.get(&key)?;
        Some(on.index.get_or_init(|| self.make_index(&on.positions)))
    }

    fn make_index(&self, positions: &[u32]) -> KeyIndex {
        let ranked = || (0..).zip(self.steps(positions));
        let in_cache = || ranked().filter(|(_, step)| is_of_cache(step));
        let row = |step: &Step| self.versions.stored(step);
        let mut rows: Vec<(Version, Rank)> =
            in_cache().filter_map(|(rank, step)| Some((row(&step)?, rank))).collect();
        rows.sort_unstable();
        let is_other = |step: &Step| step.argument.is_some() && row(step).is_none();
        let others = in_cache().filter(|(_, step)| is_other(step));
        let others = others.map(|(rank, _)| (Version::ABSENT, rank));
        let is_unnumbered = |step: &Step| {
            matches!(step.argument, Some(Content::Row { version: 0, .. })) && succeeded(step)
        };
        let unnumbered = in_cache().filter(|(_, step)| is_unnumbered(step)).map(|(rank, _)| rank);

        let on_primary = || ranked().filter(|(_, step)| step.site == Site::Primary);
        let mut commits: Vec<(Version, Rank)> = on_primary()
            .filter_map(|(rank, step)| Some((self.versions.written(&step)?, rank)))
            .collect();
        let mut by_version = commits.clone();
        by_version.sort_unstable();
        let mut highest = Version::ABSENT;
        for (version, _) in &mut commits {
            highest = highest.max(*version);
            *version = highest;
        }

        let (mut committed, mut reached) = (FxHashSet::default(), FxHashMap::default());
        for (_, step) in on_primary().filter(|(_, step)| may_be_committed(step)) {
            let Some(value) = value(&step.argument) else { continue };
            committed.insert(value.clone());
            if let (true, Some(end)) = (succeeded(&step), step.end) {
                let first = reached.entry(value.clone()).or_insert(end);
                *first = end.min(*first);
            }
        }
        let mut latest = Time::ZERO;
        let own = in_cache().filter(|(_, step)| succeeded(step) && self.stores_its_own(step));
        let own = own.map(|(_, step)| {
            let own = value(&step.argument).and_then(|value| reached.get(value));
            latest = latest.max(own.copied().unwrap_or(Time::MAX));
            (step.start, latest)
        });
        let own = own.collect();
        KeyIndex {
            rows,
            others: others.collect(),
            unnumbered: unnumbered.collect(),
            commits,
            by_version,
            own,
            committed,
        }
    }
}

/// Where the steps of a version are, by version.
fn of_version(sorted: &[(Version, Rank)], version: Version) -> Range<usize> {
    let first = sorted.partition_point(|(other, _)| *other < version);
    let after = sorted.partition_point(|(other, _)| *other <= version);
    first..after
}
