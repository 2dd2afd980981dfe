use super::{Cache, LITTLE, Over, Primary, Replica, Replication, impair, restore};
use crate::{
    cluster::{Control, Impairment},
    faults::{Amount, FaultArguments, FaultEntry, Sign},
};

fn limit<L: Over>(given: &FaultArguments) -> Vec<Control> {
    impair::<L>(Impairment::Limit { bytes: given.count() })
}

const fn on<L: Over>(name: &'static str, summary: &'static str) -> FaultEntry {
    FaultEntry::new(name, summary).amount(Amount::bytes(4_000)).controls(
        limit::<L>,
        restore::<L>,
        |given| Sign::Limited { link: L::LINK, bytes: given.count() },
    )
}

pub(super) static REDIS: FaultEntry =
    on::<Cache>("redis-limit", "connections to the cache close after this many bytes of answers");

pub(super) static PRIMARY: FaultEntry = on::<Primary>(
    "primary-limit",
    "connections to the primary close after this many bytes of answers",
);

pub(super) static REPLICA: FaultEntry = on::<Replica>(
    "replica-limit",
    "connections to the replica close after this many bytes of answers",
);

pub(super) static REPLICATION: FaultEntry = FaultEntry::new(
    "replication-limit",
    "the replica's connection closes after this many bytes; it begins a segment anew each time",
)
.amount(Amount::bytes(4_000))
.controls(limit::<Replication>, restore::<Replication>, |_| Sign::ReplicaBehind { by: LITTLE });
