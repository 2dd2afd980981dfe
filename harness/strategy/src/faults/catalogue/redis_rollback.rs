use crate::{
    cluster::{Control, Node},
    faults::{FaultEntry, PlacedFault, Sign},
};

pub(super) static ENTRY: FaultEntry = FaultEntry::new(
    "redis-rollback",
    "the cache saves a snapshot, and at the end of the fault dies and restarts from it",
)
.controls(
    |_| vec![Control::SaveCache],
    |_| vec![Control::Kill(Node::Cache), Control::Start(Node::Cache)],
    |_| Sign::RolledBack,
)
.placed(PlacedFault::CacheRollback);
