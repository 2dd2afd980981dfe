//! As few operations as will do to convict a register.

use rustc_hash::FxHashMap;

use super::{
    chains::Chains,
    keyed::{Entry, Keyed},
};
use crate::{
    Version,
    register::{OPEN, RegisterAction, RegisterOperation, ValueId, check},
};

/// Leaves out of `members`, which are positions in the entries, what is not
/// needed: what remains is illegal, and forgetting when any one of them ran
/// makes it legal. To forget a read is to drop it; to forget a write is to let
/// it happen at any time or never.
///
/// Where the members do not suffice, the ones that `more` gives are tried
/// besides; what is legal even so stays as it is.
pub(super) fn minimal(
    keyed: &Keyed,
    members: &[usize],
    more: impl FnOnce() -> Vec<usize>,
) -> Vec<usize> {
    let sorted = |mut members: Vec<usize>| {
        members.sort_unstable();
        members.dedup();
        members
    };
    let mut kept = sorted(members.to_vec());
    if !is_illegal(keyed, &kept) {
        kept = sorted([kept, more()].concat());
        if !is_illegal(keyed, &kept) {
            return sorted(members.to_vec());
        }
    }
    for member in kept.clone() {
        let rest: Vec<usize> = kept.iter().copied().filter(|&at| at != member).collect();
        if is_illegal(keyed, &rest) {
            kept = rest;
        }
    }
    kept
}

/// Whether the members alone, with what wrote the values that they name, are
/// illegal. The key is not read again for that: it has a million operations, and
/// this is asked for every member of every witness.
fn is_illegal(keyed: &Keyed, kept: &[usize]) -> bool {
    let index = keyed.by_value();
    let mut values: Vec<ValueId> = Vec::with_capacity(2 * kept.len());
    let mut written: Vec<ValueId> = Vec::with_capacity(kept.len());
    for &at in kept {
        let action = keyed.entries[at].operation.action;
        written.extend(action.written());
        values.extend(action.written().into_iter().chain(action.seen()));
    }
    values.sort_unstable();
    values.dedup();
    let is_kept = |action: &RegisterAction| action.written().is_some_and(|v| written.contains(&v));
    let forgotten = index.writes(keyed, &values);
    let forgotten = forgotten.into_iter().filter(|action| !is_kept(action));
    let forgotten =
        forgotten.map(|action| RegisterOperation { invoked: 0, returned: OPEN, action });
    let kept = kept.iter().map(|&at| keyed.entries[at].operation);
    let mut operations: Vec<RegisterOperation> = kept.chain(forgotten).collect();
    operations.sort_by_key(|operation| operation.returned);
    renumber(&mut operations);
    matches!(check(&operations), Ok(Some(_)))
}

/// Gives values small numbers: the check holds a place for each up to the
/// largest.
fn renumber(operations: &mut [RegisterOperation]) {
    let mut numbers: FxHashMap<ValueId, ValueId> = FxHashMap::default();
    numbers.insert(ValueId::INITIAL, ValueId::INITIAL);
    let mut number = |value: ValueId| {
        let next = ValueId(u32::try_from(numbers.len()).expect("a key has < 2^32 values"));
        *numbers.entry(value).or_insert(next)
    };
    for operation in operations {
        operation.action = match operation.action {
            RegisterAction::Read(value) => RegisterAction::Read(number(value)),
            RegisterAction::Write(value) => RegisterAction::Write(number(value)),
            RegisterAction::Cas { old, new } => {
                RegisterAction::Cas { old: number(old), new: number(new) }
            }
        };
    }
}

/// More compare-and-sets than this are not tried one by one; then the witness
/// may lack a link.
const MAX_LINKS: usize = 50;

/// Where the values of a key stand among its entries.
#[derive(Debug)]
pub(super) struct ByValue {
    /// By value: the first entry that stored it.
    writer: Vec<Option<usize>>,
    /// By value: the entry that ended first of those that saw or stored it.
    first_ended: Vec<Option<usize>>,
    /// By value: the entry that tells its version best, its write if possible.
    told: Vec<Option<usize>>,
    /// By version: the first completed entry that has it.
    of_version: FxHashMap<Version, usize>,
    /// The first compare-and-sets.
    links: Vec<usize>,
    chains: Option<Chains>,
}

impl ByValue {
    pub(super) fn of(entries: &[Entry], values: usize) -> Self {
        let nowhere = || vec![None; values];
        let mut index = Self {
            writer: nowhere(),
            first_ended: nowhere(),
            told: nowhere(),
            of_version: FxHashMap::default(),
            links: Vec::new(),
            chains: None,
        };
        for (at, entry) in entries.iter().enumerate() {
            let action = entry.operation.action;
            if matches!(action, RegisterAction::Cas { .. }) && index.links.len() < MAX_LINKS {
                index.links.push(at);
            }
            if let Some(value) = action.written() {
                index.writer[value.position()].get_or_insert(at);
            }
            let value = entry.value().position();
            if entry.complete.is_some() {
                index.first_ended[value].get_or_insert(at);
                entry.version.map(|version| index.of_version.entry(version).or_insert(at));
            }
            if entry.number.is_some() {
                let told = &mut index.told[value];
                let is_better = |told: &usize| entries[*told].is_read() && !entry.is_read();
                if told.as_ref().is_none_or(is_better) {
                    *told = Some(at);
                }
            }
        }
        if !index.links.is_empty() {
            let actions = entries.iter().map(|entry| entry.operation.action);
            index.chains = Some(Chains::of(values, actions));
        }
        index
    }

    /// What stored a value.
    pub(super) fn writer(&self, value: ValueId) -> Option<usize> {
        self.writer[value.position()]
    }

    pub(super) fn first_ended(&self, value: ValueId) -> Option<usize> {
        self.first_ended.get(value.position()).copied().flatten()
    }

    /// What tells the version of a value: its write, or else the first that does.
    pub(super) fn told(&self, value: ValueId) -> Option<usize> {
        self.told[value.position()]
    }

    /// The first that completed with a version.
    pub(super) fn of_version(&self, version: Version) -> Option<usize> {
        self.of_version.get(&version).copied()
    }

    /// The first compare-and-sets of the key.
    pub(super) fn links(&self) -> &[usize] {
        &self.links
    }

    /// What put `values` where they are.
    fn writes(&self, keyed: &Keyed, values: &[ValueId]) -> Vec<RegisterAction> {
        if let Some(chains) = &self.chains {
            return chains.writes(values);
        }
        let writers = values.iter().filter_map(|value| self.writer(*value));
        writers.map(|at| keyed.entries[at].operation.action).collect()
    }
}
