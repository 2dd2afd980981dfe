use quarrel_checkers::Site;

use super::{Cache, LITTLE, Over, Primary, Replica, Replication, restore};
use crate::{
    cluster::Control,
    faults::{FaultEntry, Mishap, PlacedFault, Sign},
};

const fn on<L: Over>(name: &'static str, summary: &'static str) -> FaultEntry {
    FaultEntry::new(name, summary).controls(
        |_| vec![Control::Cut(L::LINK)],
        restore::<L>,
        |_| Sign::Unreachable(L::LINK),
    )
}

pub(super) static REDIS: FaultEntry = on::<Cache>(
    "redis-cut",
    "no client reaches the cache: connections break, new ones are refused",
)
.placed(PlacedFault::Call(Site::Cache, Mishap::Fails));

pub(super) static PRIMARY: FaultEntry = on::<Primary>(
    "primary-cut",
    "no client reaches the primary: connections break, new ones are refused",
)
.placed(PlacedFault::Call(Site::Primary, Mishap::Fails));

pub(super) static REPLICA: FaultEntry = on::<Replica>(
    "replica-cut",
    "no client reaches the replica: connections break, new ones are refused",
)
.placed(PlacedFault::Call(Site::Replica, Mishap::Fails));

pub(super) static REPLICATION: FaultEntry =
    FaultEntry::new("replication-cut", "the replica does not reach the primary: no log arrives")
        .controls(
            |_| vec![Control::Cut(Replication::LINK)],
            restore::<Replication>,
            |_| Sign::ReplicaBehind { by: LITTLE },
        );
