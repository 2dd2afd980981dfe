use super::{Cache, LITTLE, Over, Primary, Replica, Replication, impair, restore};
use crate::{
    cluster::{Control, Impairment},
    faults::{Amount, FaultArguments, FaultEntry, Sign},
};

fn slice<L: Over>(given: &FaultArguments) -> Vec<Control> {
    impair::<L>(Impairment::Slice { bytes: 4, pause: given.time() })
}

const fn on<L: Over>(name: &'static str, summary: &'static str) -> FaultEntry {
    FaultEntry::new(name, summary).amount(Amount::millis(5)).controls(
        slice::<L>,
        restore::<L>,
        |given| Sign::Slow { link: L::LINK, by: given.time() },
    )
}

pub(super) static REDIS: FaultEntry = on::<Cache>(
    "redis-slicer",
    "answers of the cache come in pieces of 4 bytes, with this pause between",
);

pub(super) static PRIMARY: FaultEntry = on::<Primary>(
    "primary-slicer",
    "answers of the primary come in pieces of 4 bytes, with this pause between",
);

pub(super) static REPLICA: FaultEntry = on::<Replica>(
    "replica-slicer",
    "answers of the replica come in pieces of 4 bytes, with this pause between",
);

pub(super) static REPLICATION: FaultEntry = FaultEntry::new(
    "replication-slicer",
    "the log comes in pieces of 4 bytes, with this pause between",
)
.amount(Amount::millis(5))
.controls(slice::<Replication>, restore::<Replication>, |_| Sign::ReplicaBehind { by: LITTLE });
