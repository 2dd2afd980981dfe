use crate::faults::{FaultEntry, PlacedFault};

pub(super) static ENTRY: FaultEntry = FaultEntry::new(
    "messages-reordered",
    "what clients are told of changes arrives in the opposite order",
)
.placed(PlacedFault::MessagesReordered);
