//! As few operations as will do to convict a register.

use super::keyed::Keyed;
use crate::register::{Action, OPEN, Operation, check};

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
    let is_link = |operation: &Operation| matches!(operation.action, Action::Cas { .. });
    let has_chains = keyed.entries.iter().any(|entry| is_link(&entry.operation));
    let values: Vec<_> = kept
        .iter()
        .flat_map(|&at| {
            let action = keyed.entries[at].operation.action;
            action.written().into_iter().chain(action.seen())
        })
        .collect();
    let mut operations = Vec::new();
    for (at, entry) in keyed.entries.iter().enumerate() {
        let operation = entry.operation;
        if kept.binary_search(&at).is_ok() {
            operations.push(operation);
            continue;
        }
        // In a chain everything that was written may count.
        let written = operation.action.written();
        if written.is_some_and(|value| has_chains || values.contains(&value)) {
            operations.push(Operation { invoked: 0, returned: OPEN, ..operation });
        }
    }
    matches!(check(&operations), Ok(Some(_)))
}
