use crate::{
    cluster::Control,
    faults::{FaultEntry, PlacedFault, Sign},
};

pub(super) static ENTRY: FaultEntry =
    FaultEntry::new("redis-wipe", "the cache forgets everything (FLUSHALL)")
        .controls(|_| vec![Control::WipeCache], |_| Vec::new(), |_| Sign::Wiped)
        .placed(PlacedFault::CacheWiped);
