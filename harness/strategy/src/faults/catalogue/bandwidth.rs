use super::{Cache, LITTLE, Over, Primary, Replica, Replication, impair, restore};
use crate::{
    cluster::{Control, Impairment},
    faults::{Amount, FaultArguments, FaultEntry, Sign},
};

fn throttle<L: Over>(given: &FaultArguments) -> Vec<Control> {
    impair::<L>(Impairment::Bandwidth { kb_per_s: given.count() })
}

const fn on<L: Over>(name: &'static str, summary: &'static str) -> FaultEntry {
    FaultEntry::new(name, summary).amount(Amount::kb_per_s(5)).controls(
        throttle::<L>,
        restore::<L>,
        |given| Sign::Throttled { link: L::LINK, kb_per_s: given.count() },
    )
}

pub(super) static REDIS: FaultEntry =
    on::<Cache>("redis-bandwidth", "answers of the cache flow at this rate at most");

pub(super) static PRIMARY: FaultEntry =
    on::<Primary>("primary-bandwidth", "answers of the primary flow at this rate at most");

pub(super) static REPLICA: FaultEntry =
    on::<Replica>("replica-bandwidth", "answers of the replica flow at this rate at most");

pub(super) static REPLICATION: FaultEntry =
    FaultEntry::new("replication-bandwidth", "the log flows to the replica at this rate at most")
        .amount(Amount::kb_per_s(4))
        .controls(throttle::<Replication>, restore::<Replication>, |_| Sign::ReplicaBehind {
            by: LITTLE,
        });
