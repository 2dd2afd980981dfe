use quarrel_checkers::Site;

use crate::faults::{FaultEntry, Mishap, PlacedFault};

pub(super) static ENTRY: FaultEntry =
    FaultEntry::new("late-message", "a request to the cache arrives after its client has given up")
        .placed(PlacedFault::Call(Site::Cache, Mishap::Delayed));
