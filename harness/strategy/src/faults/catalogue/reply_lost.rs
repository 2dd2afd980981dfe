use quarrel_checkers::Site;

use super::{Cache, LITTLE, Over, Primary, Replica, Replication, new_stream, restore};
use crate::{
    cluster::Control,
    faults::{FaultEntry, Mishap, PlacedFault, Sign},
};

const fn on<L: Over>(name: &'static str, summary: &'static str) -> FaultEntry {
    FaultEntry::new(name, summary).controls(
        |_| vec![Control::DropReplies(L::LINK)],
        restore::<L>,
        |_| Sign::RepliesLost(L::LINK),
    )
}

pub(super) static REDIS: FaultEntry =
    on::<Cache>("redis-reply-lost", "requests reach the cache and run, answers never come back")
        .placed(PlacedFault::Call(Site::Cache, Mishap::ReplyLost));

pub(super) static PRIMARY: FaultEntry = on::<Primary>(
    "primary-reply-lost",
    "requests reach the primary and run, answers never come back",
)
.placed(PlacedFault::Call(Site::Primary, Mishap::ReplyLost));

pub(super) static REPLICA: FaultEntry = on::<Replica>(
    "replica-reply-lost",
    "requests reach the replica and run, answers never come back",
)
.placed(PlacedFault::Call(Site::Replica, Mishap::ReplyLost));

pub(super) static REPLICATION: FaultEntry = FaultEntry::new(
    "replication-reply-lost",
    "the log that the primary sends never arrives; the connection stays open",
)
.controls(
    |_| vec![Control::DropReplies(Replication::LINK)],
    new_stream,
    |_| Sign::ReplicaBehind { by: LITTLE },
);
