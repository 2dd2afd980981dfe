use std::sync::{PoisonError, RwLock};

use super::{FaultEntry, catalogue::builtin};

/// A name that another fault has already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two faults are called `{0}`: the name of a fault must tell which is meant")]
pub struct FaultNameTaken(pub String);

/// The faults of users, for the whole process: a fault is named in texts
/// (schedules, results, policies) that are read far from any catalogue.
static OWN: RwLock<Vec<&'static FaultEntry>> = RwLock::new(Vec::new());

/// Makes faults known by their names. Those that are known already stay.
///
/// # Errors
///
/// When another fault has one of their names; then none is added.
pub fn add(entries: &[&'static FaultEntry]) -> Result<(), FaultNameTaken> {
    // A list of entries is whole at every moment.
    let mut own = OWN.write().unwrap_or_else(PoisonError::into_inner);
    let mut more: Vec<&'static FaultEntry> = Vec::new();
    for entry in entries.iter().copied() {
        let others = builtin().chain(own.iter().copied()).chain(more.iter().copied());
        let named: Vec<_> = others.filter(|other| other.name == entry.name).collect();
        match named[..] {
            [] => more.push(entry),
            [same] if std::ptr::eq(same, entry) => {}
            _ => return Err(FaultNameTaken(entry.name.to_owned())),
        }
    }
    own.append(&mut more);
    Ok(())
}

/// Every fault there is: those that are built in, then those that were added.
#[must_use]
pub fn known() -> Vec<&'static FaultEntry> {
    let own = OWN.read().unwrap_or_else(PoisonError::into_inner);
    builtin().chain(own.iter().copied()).collect()
}
