use crate::faults::{FaultEntry, PlacedFault, Strike};

pub(super) static ENTRY: FaultEntry = FaultEntry::new(
    "client-crash",
    "now and then a client, or a background agent, dies between two steps",
)
.strikes(|_| Strike::Crash)
.placed(PlacedFault::ClientCrash);
