use super::{Cache, Over, Primary, Replica, impair, restore};
use crate::{
    cluster::Impairment,
    faults::{Amount, FaultEntry, Sign},
};

const fn on<L: Over>(name: &'static str, summary: &'static str) -> FaultEntry {
    FaultEntry::new(name, summary).amount(Amount::millis(500)).controls(
        |given| impair::<L>(Impairment::SlowClose(given.time())),
        restore::<L>,
        |given| Sign::ClosesLate { link: L::LINK, by: given.time() },
    )
}

pub(super) static REDIS: FaultEntry =
    on::<Cache>("redis-slow-close", "clients learn late that the cache closed a connection");

pub(super) static PRIMARY: FaultEntry =
    on::<Primary>("primary-slow-close", "clients learn late that the primary closed a connection");

pub(super) static REPLICA: FaultEntry =
    on::<Replica>("replica-slow-close", "clients learn late that the replica closed a connection");
