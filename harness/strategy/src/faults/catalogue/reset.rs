use super::{Cache, LITTLE, Over, Primary, Replica, Replication, impair, restore};
use crate::{
    cluster::Impairment,
    faults::{FaultEntry, Sign},
};

const fn on<L: Over>(name: &'static str, summary: &'static str) -> FaultEntry {
    FaultEntry::new(name, summary).controls(
        |_| impair::<L>(Impairment::Reset),
        restore::<L>,
        |_| Sign::Silent(L::LINK),
    )
}

pub(super) static REDIS: FaultEntry =
    on::<Cache>("redis-reset", "connections to the cache are reset as soon as it answers");

pub(super) static PRIMARY: FaultEntry =
    on::<Primary>("primary-reset", "connections to the primary are reset as soon as it answers");

pub(super) static REPLICA: FaultEntry =
    on::<Replica>("replica-reset", "connections to the replica are reset as soon as it answers");

pub(super) static REPLICATION: FaultEntry = FaultEntry::new(
    "replication-reset",
    "the replica's connections are reset as soon as the primary sends something",
)
.controls(
    |_| impair::<Replication>(Impairment::Reset),
    restore::<Replication>,
    |_| Sign::ReplicaBehind { by: LITTLE },
);
