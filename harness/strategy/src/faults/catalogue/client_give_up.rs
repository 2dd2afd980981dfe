use crate::faults::{Amount, FaultEntry, Strike};

pub(super) static ENTRY: FaultEntry = FaultEntry::new(
    "client-give-up",
    "clients wait no longer than this for an answer; what they asked may run all the same",
)
.amount(Amount::millis(5))
.strikes(|given| Strike::GiveUp(given.time()));
