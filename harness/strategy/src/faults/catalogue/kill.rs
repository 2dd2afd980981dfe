use crate::{
    cluster::{Control, Link, Node},
    faults::{FaultEntry, Sign},
};

pub(super) static REDIS: FaultEntry = FaultEntry::new(
    "kill-redis",
    "the cache dies (SIGKILL) and comes back with what it had saved: by default nothing",
)
.controls(
    |_| vec![Control::Kill(Node::Cache)],
    |_| vec![Control::Start(Node::Cache)],
    |_| Sign::Unreachable(Link::ClientCache),
);

pub(super) static PRIMARY: FaultEntry =
    FaultEntry::new("kill-primary", "the primary dies (SIGKILL) and comes back with every commit")
        .controls(
            |_| vec![Control::Kill(Node::Primary)],
            |_| vec![Control::Start(Node::Primary)],
            |_| Sign::Unreachable(Link::ClientPrimary),
        );

pub(super) static REPLICA: FaultEntry =
    FaultEntry::new("kill-replica", "the replica dies (SIGKILL) and comes back").controls(
        |_| vec![Control::Kill(Node::Replica)],
        |_| vec![Control::Start(Node::Replica)],
        |_| Sign::Unreachable(Link::ClientReplica),
    );
