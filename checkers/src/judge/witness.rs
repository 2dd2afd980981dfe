//! As few operations as will do to convict a register.

use rustc_hash::FxHashMap;

use super::keyed::{Entry, Keyed};
use crate::register::{OPEN, RegisterAction, RegisterOperation, ValueId, check};

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

fn is_illegal(keyed: &Keyed, kept: &[usize]) -> bool {
    let index = keyed.by_value();
    let mut written: Vec<usize> = if index.has_chains {
        // In a chain everything that was written may count.
        index.writers.iter().map(|&(_, at)| at).collect()
    } else {
        let seen = kept.iter().flat_map(|&at| {
            let action = keyed.entries[at].operation.action;
            action.written().into_iter().chain(action.seen())
        });
        seen.flat_map(|value| index.writers_of(value)).collect()
    };
    written.sort_unstable();
    written.dedup();
    written.retain(|at| kept.binary_search(at).is_err());
    let forgotten = written.into_iter().map(|at| {
        let operation = keyed.entries[at].operation;
        RegisterOperation { invoked: 0, returned: OPEN, ..operation }
    });
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

/// Where the values of a key stand among its entries.
#[derive(Debug)]
pub(super) struct ByValue {
    /// Every value that was written, and by which entry, sorted.
    writers: Vec<(ValueId, usize)>,
    /// By value: the entry that ended first of those that saw or stored it.
    first_ended: Vec<Option<usize>>,
    has_chains: bool,
}

impl ByValue {
    pub(super) fn of(entries: &[Entry], values: usize) -> Self {
        let mut index =
            Self { writers: Vec::new(), first_ended: vec![None; values], has_chains: false };
        for (at, entry) in entries.iter().enumerate() {
            let action = entry.operation.action;
            index.has_chains |= matches!(action, RegisterAction::Cas { .. });
            index.writers.extend(action.written().map(|value| (value, at)));
            if entry.complete.is_some() {
                index.first_ended[entry.value().position()].get_or_insert(at);
            }
        }
        index.writers.sort_unstable();
        index
    }

    pub(super) fn writers_of(&self, value: ValueId) -> impl Iterator<Item = usize> {
        let from = self.writers.partition_point(|&(other, _)| other < value);
        self.writers[from..].iter().take_while(move |(other, _)| *other == value).map(|&(_, at)| at)
    }

    pub(super) fn first_ended(&self, value: ValueId) -> Option<usize> {
        self.first_ended.get(value.position()).copied().flatten()
    }
}
