use crate::faults::{FaultEntry, PlacedFault};

pub(super) static ENTRY: FaultEntry =
    FaultEntry::new("expiry", "so much time passes that an entry expires")
        .placed(PlacedFault::Expiry);
