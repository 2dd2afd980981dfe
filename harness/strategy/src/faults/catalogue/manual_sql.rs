use crate::faults::{Amount, FaultEntry, PlacedFault, Strike};

pub(super) static ENTRY: FaultEntry = FaultEntry::new(
    "manual-sql",
    "this often an operator changes a row by SQL, beside the application",
)
.amount(Amount::millis(100))
.strikes(|given| Strike::Manual(given.time()))
.placed(PlacedFault::ManualSql);
