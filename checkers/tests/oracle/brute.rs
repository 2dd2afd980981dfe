//! The definition of linearizability, tried out: every order of the operations.

use quarrel_checkers::register::{RegisterAction, RegisterOperation, ValueId};

/// Whether some choice of unfinished operations and some order of them all
/// respects real time and the register. Written without a thought for speed
/// and shares nothing with the checker.
pub(crate) fn is_linearizable(operations: &[RegisterOperation]) -> bool {
    let done = operations.iter().enumerate().filter(|(_, o)| o.is_certain());
    let required = done.fold(0_u32, |set, (at, _)| set | 1 << at);
    search(operations, required, 0, ValueId::INITIAL)
}

fn search(operations: &[RegisterOperation], required: u32, taken: u32, state: ValueId) -> bool {
    if taken & required == required {
        return true;
    }
    let rest = || (0..operations.len()).filter(|at| taken & (1 << at) == 0);
    rest().any(|at| {
        let is_first = rest().all(|other| operations[other].returned >= operations[at].invoked);
        let after = match operations[at].action {
            RegisterAction::Write(value) => Some(value),
            RegisterAction::Read(value) => (value == state).then_some(state),
            RegisterAction::Cas { old, new } => (old == state).then_some(new),
        };
        is_first && after.is_some_and(|s| search(operations, required, taken | 1 << at, s))
    })
}
