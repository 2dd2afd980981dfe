use crate::{
    cluster::Control,
    faults::{Amount, FaultEntry, PlacedFault, Sign},
};

pub(super) static ENTRY: FaultEntry = FaultEntry::new(
    "redis-evict",
    "the cache may grow by this much (maxmemory), then it evicts any key for a new one",
)
.amount(Amount::bytes(1_000))
.controls(
    |given| vec![Control::LimitCache(Some(given.count()))],
    |_| vec![Control::LimitCache(None)],
    |_| Sign::Evictions,
)
.placed(PlacedFault::Eviction);
