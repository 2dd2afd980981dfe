use super::{Cache, Primary, Replica, To};
use crate::{
    cluster::Control,
    faults::{FaultEntry, Sign},
};

const fn on<S: To>(name: &'static str, summary: &'static str) -> FaultEntry {
    FaultEntry::new(name, summary).controls(
        |_| vec![Control::Freeze(S::NODE)],
        |_| vec![Control::Thaw(S::NODE)],
        |_| Sign::Silent(S::LINK),
    )
}

pub(super) static REDIS: FaultEntry =
    on::<Cache>("pause-redis", "the cache stops where it is (SIGSTOP); its connections stay open");

pub(super) static PRIMARY: FaultEntry = on::<Primary>(
    "pause-primary",
    "the primary stops where it is (SIGSTOP); its connections stay open",
);

pub(super) static REPLICA: FaultEntry = on::<Replica>(
    "pause-replica",
    "the replica stops where it is (SIGSTOP); its connections stay open",
);
