use crate::faults::{FaultEntry, PlacedFault};

pub(super) static ENTRY: FaultEntry = FaultEntry::new(
    "messages-lost",
    "the connections break on which clients are told of changes, and what is on its way is lost",
)
.placed(PlacedFault::MessagesLost);
