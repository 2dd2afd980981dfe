use std::time::Duration;

use crate::{
    cluster::{Control, Link},
    faults::{Amount, FaultEntry, PlacedFault, Sign},
};

pub(super) static ENTRY: FaultEntry = FaultEntry::new(
    "replica-lag",
    "the replica is behind: by its apply delay, a slow link, or a replay that stands still",
)
.amount(Amount::millis(200))
.ways(&["apply", "link", "pause"])
.controls(
    |given| {
        let (link, latency, jitter) = (Link::ReplicaPrimary, given.time(), given.jitter());
        vec![match given.via() {
            "link" => Control::Latency { link, latency, jitter },
            "pause" => Control::PauseReplay,
            _ => Control::ApplyDelay(given.time()),
        }]
    },
    |given| {
        vec![match given.via() {
            "link" => Control::Restore(Link::ReplicaPrimary),
            "pause" => Control::ResumeReplay,
            _ => Control::ApplyDelay(Duration::ZERO),
        }]
    },
    |given| Sign::ReplicaBehind { by: given.time() },
)
.placed(PlacedFault::ReplicaLag);
