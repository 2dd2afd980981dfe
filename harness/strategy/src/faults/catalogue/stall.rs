use super::{LITTLE, Replication, impair, restore};
use crate::{
    cluster::Impairment,
    faults::{FaultEntry, Sign},
};

pub(super) static REPLICATION: FaultEntry = FaultEntry::new(
    "replication-stall",
    "the log stops flowing to the replica; the connection stays open, nothing is lost",
)
.controls(
    |_| impair::<Replication>(Impairment::Bandwidth { kb_per_s: 0 }),
    restore::<Replication>,
    |_| Sign::ReplicaBehind { by: LITTLE },
);
