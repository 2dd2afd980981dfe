use super::{Cache, Primary, Replica, To};
use crate::{
    cluster::Control,
    faults::{FaultEntry, Sign},
};

const fn on<S: To>(name: &'static str, summary: &'static str) -> FaultEntry {
    FaultEntry::new(name, summary).controls(
        |_| vec![Control::Kill(S::NODE)],
        |_| vec![Control::Start(S::NODE)],
        |_| Sign::Unreachable(S::LINK),
    )
}

pub(super) static REDIS: FaultEntry = on::<Cache>(
    "kill-redis",
    "the cache dies (SIGKILL) and comes back with what it had saved: by default nothing",
);

pub(super) static PRIMARY: FaultEntry =
    on::<Primary>("kill-primary", "the primary dies (SIGKILL) and comes back with every commit");

pub(super) static REPLICA: FaultEntry =
    on::<Replica>("kill-replica", "the replica dies (SIGKILL) and comes back");
