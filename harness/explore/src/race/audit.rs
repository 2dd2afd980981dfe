//! What the strategy shows when all is over.

use quarrel_checkers::Key;
use quarrel_sim::{Disturbance, Move, OperationEnding, Simulation, Stuck};
use quarrel_strategy::stores::Row;

use super::Setup;

/// What a fresh client of the strategy reads in the end.
pub(super) struct Audit {
    pub(super) key: Key,
    /// The place of its read in the history.
    pub(super) place: usize,
    pub(super) read: Option<Row>,
}

/// An audit of every key, once the replica has caught up. `first_auditor` and
/// those after it have read nothing yet.
pub(super) fn audits(
    simulation: &mut Simulation,
    keys: &[Setup],
    first_auditor: usize,
) -> Result<Vec<Audit>, Stuck> {
    simulation.perform(&Move::Disturb(Disturbance::CatchUp))?;
    let mut audits = Vec::new();
    for (at, setup) in keys.iter().enumerate() {
        let place = simulation.logical().operations().len();
        let ended = simulation.run_alone(first_auditor + at)?;
        let read = ended.and_then(|place| match &simulation.logical().operations()[place].ending {
            Some(OperationEnding::Read(row)) => row.clone(),
            _ => None,
        });
        audits.push(Audit { key: setup.key, place, read });
    }
    Ok(audits)
}
