use super::{Cache, Over, Primary, Replica, restore};
use crate::{
    cluster::Control,
    faults::{Amount, FaultEntry, Sign},
};

const fn on<L: Over>(name: &'static str, summary: &'static str) -> FaultEntry {
    FaultEntry::new(name, summary).amount(Amount::millis(100)).jittery().controls(
        |given| {
            let (latency, jitter) = (given.time(), given.jitter());
            vec![Control::Latency { link: L::LINK, latency, jitter }]
        },
        restore::<L>,
        |given| Sign::Slow { link: L::LINK, by: given.time() },
    )
}

pub(super) static REDIS: FaultEntry =
    on::<Cache>("redis-latency", "answers of the cache reach clients late");

pub(super) static PRIMARY: FaultEntry =
    on::<Primary>("primary-latency", "answers of the primary reach clients late");

pub(super) static REPLICA: FaultEntry =
    on::<Replica>("replica-latency", "answers of the replica reach clients late");
