use crate::faults::{FaultEntry, PlacedFault};

pub(super) static ENTRY: FaultEntry =
    FaultEntry::new("late-ack", "the primary hears late what the replica has replayed")
        .placed(PlacedFault::LateAcknowledgement);
