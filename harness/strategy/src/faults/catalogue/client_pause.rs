use crate::faults::{Amount, FaultEntry, Strike};

pub(super) static ENTRY: FaultEntry = FaultEntry::new(
    "client-pause",
    "now and then a client pauses this long between two steps, as in a garbage collection",
)
.amount(Amount::millis(300))
.strikes(|given| Strike::Pause(given.time()));
