//! Which absence a read of nothing saw, where deletes have versions.
//!
//! A row that was deleted keeps its version, but an application that finds
//! nothing, or a cache that says "there is none", can tell of none. Such a read
//! may have seen any absence: the one before the first write, one that a
//! delete left behind, or one of a delete whose outcome nobody was told. It is
//! given the oldest absence that nothing forbids: what came later is bound
//! least by that, so whatever is wrong then is wrong whichever it saw. Where
//! everything is forbidden it is given the newest that could be there at all,
//! and is stale.

use std::collections::BTreeSet;

use super::{
    keyed::{Entry, Keyed},
    versions::{Timelines, resolve},
};
use crate::{
    Version,
    register::{RegisterAction, RegisterOperation},
};

/// Settles it for every such read of a key; whether that was possible.
pub(super) fn settle(keyed: &mut Keyed, timelines: Timelines) -> Settled {
    let mut acknowledged =
        keyed.entries.iter().filter(|entry| !entry.is_read() && entry.complete.is_some());
    if !acknowledged.all(|write| write.number.is_some_and(|number| number > 0)) {
        return Settled::No;
    }
    // What a compare-and-set replaced is an absence, too; a search decides it.
    let replaces_nothing = |entry: &Entry| match entry.operation.action {
        RegisterAction::Cas { old, .. } => keyed.values[old.position()].is_nil(),
        _ => false,
    };
    if keyed.entries.iter().any(replaces_nothing) {
        return Settled::No;
    }
    let unknown = unknown_deletes(keyed);
    let began = unknown.first().map(|&at| keyed.entries[at].operation.invoked);
    let absences = Absences::of(keyed, began);
    let mut chosen = choose(keyed, &absences);
    for &(at, version) in &chosen {
        let number = version.number;
        let value = keyed.id(&crate::Value::Nil, Some(number));
        keyed.entries[at].operation.action = RegisterAction::Read(value);
        keyed.entries[at].number = Some(number);
    }
    name_unknown_deletes(keyed, &unknown);
    resolve(keyed, timelines);
    for (at, version) in chosen.drain(..) {
        keyed.entries[at].version = Some(version);
        keyed.entries[at].is_inferred = true;
    }
    Settled::Yes
}

/// Whether every absence that was read has a version now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Yes,
    No,
}

fn is_nothing(keyed: &Keyed, entry: &Entry) -> bool {
    keyed.values[entry.value().position()].is_nil()
}

/// Deletes that nobody knows the outcome of, in the order in which they began.
fn unknown_deletes(keyed: &Keyed) -> Vec<usize> {
    let is_unknown = |entry: &Entry| {
        matches!(entry.operation.action, RegisterAction::Write(_))
            && entry.complete.is_none()
            && is_nothing(keyed, entry)
    };
    let mut unknown: Vec<usize> =
        (0..keyed.entries.len()).filter(|&at| is_unknown(&keyed.entries[at])).collect();
    unknown.sort_by_key(|&at| keyed.entries[at].operation.invoked);
    unknown
}

/// The absences that a read may have seen.
struct Absences {
    /// Those that are known, by version, and when the delete began.
    known: Vec<(Version, u64)>,
    /// From each of them on, when the first of the deletes began.
    first_began: Vec<u64>,
    /// Every version that something else has.
    taken: Vec<Version>,
    /// Of each of those the next number that is free.
    next_free: Vec<u64>,
    /// When the first delete of unknown outcome began; none if there is none.
    unknown_began: Option<u64>,
}

impl Absences {
    fn of(keyed: &Keyed, unknown_began: Option<u64>) -> Self {
        let deletes = keyed.entries.iter().filter(|entry| {
            !entry.is_read() && entry.complete.is_some() && is_nothing(keyed, entry)
        });
        let mut known: Vec<(Version, u64)> = deletes
            .filter_map(|delete| Some((delete.version?, delete.operation.invoked)))
            .collect();
        known.push((Version::ABSENT, 0));
        // Some reads name what a delete of unknown outcome left behind. What
        // was acknowledged comes first of its version, and stays.
        let named = keyed.entries.iter().filter(|entry| {
            entry.is_read()
                && is_nothing(keyed, entry)
                && entry.number.is_some_and(|number| number > 0)
        });
        known.extend(named.filter_map(|read| Some((read.version?, unknown_began.unwrap_or(0)))));
        known.sort_by_key(|&(version, _)| version);
        known.dedup_by_key(|(version, _)| *version);
        let mut first_began: Vec<u64> = known.iter().map(|&(_, began)| began).collect();
        for at in (1..first_began.len()).rev() {
            first_began[at - 1] = first_began[at - 1].min(first_began[at]);
        }
        let mut taken: Vec<Version> =
            keyed.entries.iter().filter_map(|entry| entry.version).collect();
        taken.sort_unstable();
        taken.dedup();
        let mut next_free: Vec<u64> = taken.iter().map(|version| version.number + 1).collect();
        for at in (1..taken.len()).rev() {
            let next = Version { number: taken[at - 1].number + 1, ..taken[at - 1] };
            if taken[at] == next {
                next_free[at - 1] = next_free[at];
            }
        }
        Self { known, first_began, taken, next_free, unknown_began }
    }

    /// The oldest absence that is not older than `least` and may have been there
    /// before `returned`; else the newest one of all that may. `before_unknown`
    /// had been shown before a delete of unknown outcome began.
    fn seen(&self, least: Version, before_unknown: Option<Version>, returned: u64) -> Version {
        let from = self.known.partition_point(|&(version, _)| version < least);
        let is_possible = self.first_began.get(from).is_some_and(|began| *began < returned);
        let after = self.known[from..].iter().filter(|_| is_possible);
        let known = after.copied().find(|&(_, began)| began < returned).map(|(version, _)| version);
        let is_late = self.unknown_began.is_some_and(|began| began < returned);
        // What a delete left behind is newer than what was there before it.
        let unknown = before_unknown.filter(|_| is_late).map(|before| {
            let from = least.max(before).max(Version::first(1));
            let at = self.taken.partition_point(|version| *version < from);
            let number = match self.taken.get(at) {
                Some(taken) if *taken == from => self.next_free[at],
                _ => from.number,
            };
            Version { number, ..from }
        });
        let newest = || {
            let before = self.known[..from].iter().rev().find(|&&(_, began)| began < returned);
            before.map_or(Version::ABSENT, |&(version, _)| version)
        };
        known.into_iter().chain(unknown).min().unwrap_or_else(newest)
    }
}

/// What each read of an unnamed absence saw, in the order in which they ended:
/// whatever binds one of them had ended by then.
fn choose(keyed: &Keyed, absences: &Absences) -> Vec<(usize, Version)> {
    let is_unnamed = |entry: &Entry| {
        entry.is_read() && is_nothing(keyed, entry) && entry.number.is_none_or(|number| number == 0)
    };
    let mut shown = Shown::default();
    let mut chosen = Vec::new();
    for (at, entry) in keyed.entries.iter().enumerate() {
        if entry.complete.is_none() {
            continue;
        }
        let operation = &entry.operation;
        let version = if is_unnamed(entry) {
            let before_unknown = absences.unknown_began.map(|began| shown.before(began));
            let version =
                absences.seen(shown.before(operation.invoked), before_unknown, operation.returned);
            chosen.push((at, version));
            Some(version)
        } else {
            entry.version
        };
        if let Some(version) = version {
            shown.add(operation.returned, version);
        }
    }
    chosen
}

/// The newest version that had been shown, by instant.
#[derive(Default)]
struct Shown(Vec<(u64, Version)>);

impl Shown {
    fn add(&mut self, returned: u64, version: Version) {
        let newest = self.0.last().map_or(version, |&(_, newest)| newest.max(version));
        self.0.push((returned, newest));
    }

    /// By operations that had ended before `instant`.
    fn before(&self, instant: u64) -> Version {
        let ended = self.0.partition_point(|&(returned, _)| returned < instant);
        ended.checked_sub(1).map_or(Version::ABSENT, |last| self.0[last].1)
    }
}

/// Lets the deletes of unknown outcome have made the absences that somebody saw
/// and nobody else made. Which made which, nobody knows: each may have begun
/// with the first of them. The others are seen by nobody.
fn name_unknown_deletes(keyed: &mut Keyed, unknown: &[usize]) {
    let Some(began) = unknown.first().map(|&at| keyed.entries[at].operation.invoked) else {
        return;
    };
    let of_nothing = |entry: &&Entry| is_nothing(keyed, entry);
    let written: BTreeSet<_> = keyed
        .entries
        .iter()
        .filter(|entry| !entry.is_read() && entry.complete.is_some())
        .filter(of_nothing)
        .map(Entry::value)
        .collect();
    let seen = keyed.entries.iter().filter(|entry| entry.is_read()).filter(of_nothing);
    let mut unwritten: Vec<_> = seen
        .filter(|entry| entry.number != Some(0))
        .map(Entry::value)
        .filter(|value| !written.contains(value))
        .collect();
    unwritten.sort_unstable();
    unwritten.dedup();
    let mut unwritten = unwritten.into_iter();
    for (&at, unseen) in unknown.iter().zip(0..) {
        let value = match unwritten.next() {
            Some(value) => value,
            None => keyed.id(&crate::Value::Nil, Some(u64::MAX - unseen)),
        };
        let operation = &mut keyed.entries[at].operation;
        operation.action = RegisterAction::Write(value);
        operation.invoked = operation.invoked.min(began);
    }
    // Two absences with a name each may be one that only one of them names.
    let first = keyed.entries[unknown[0]].clone();
    for value in unwritten {
        let operation =
            RegisterOperation { action: RegisterAction::Write(value), ..first.operation };
        keyed.entries.push(Entry { operation, ..first.clone() });
    }
}
