use quarrel_checkers::Site;

use super::{Cache, Over, Primary, Replica, Replication, impair, new_stream, restore};
use crate::{
    cluster::Impairment,
    faults::{FaultEntry, Mishap, PlacedFault, Sign},
};

const fn on<L: Over>(name: &'static str, summary: &'static str) -> FaultEntry {
    FaultEntry::new(name, summary).controls(
        |_| impair::<L>(Impairment::DropRequests),
        restore::<L>,
        |_| Sign::Silent(L::LINK),
    )
}

pub(super) static REDIS: FaultEntry =
    on::<Cache>("redis-request-lost", "requests never reach the cache; connections stay open")
        .placed(PlacedFault::Call(Site::Cache, Mishap::RequestLost));

pub(super) static PRIMARY: FaultEntry = on::<Primary>(
    "primary-request-lost",
    "requests never reach the primary; connections stay open",
)
.placed(PlacedFault::Call(Site::Primary, Mishap::RequestLost));

pub(super) static REPLICA: FaultEntry = on::<Replica>(
    "replica-request-lost",
    "requests never reach the replica; connections stay open",
)
.placed(PlacedFault::Call(Site::Replica, Mishap::RequestLost));

pub(super) static REPLICATION: FaultEntry = FaultEntry::new(
    "replication-request-lost",
    "the primary never hears what the replica has replayed: commits that wait for it hang",
)
.controls(|_| impair::<Replication>(Impairment::DropRequests), new_stream, |_| Sign::Unconfirmed);
