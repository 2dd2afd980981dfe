use crate::{
    cluster::{Control, Link, Node},
    faults::{FaultEntry, Sign},
};

pub(super) static REDIS: FaultEntry = FaultEntry::new(
    "pause-redis",
    "the cache stops where it is (SIGSTOP); its connections stay open",
)
.controls(
    |_| vec![Control::Freeze(Node::Cache)],
    |_| vec![Control::Thaw(Node::Cache)],
    |_| Sign::Silent(Link::ClientCache),
);

pub(super) static PRIMARY: FaultEntry = FaultEntry::new(
    "pause-primary",
    "the primary stops where it is (SIGSTOP); its connections stay open",
)
.controls(
    |_| vec![Control::Freeze(Node::Primary)],
    |_| vec![Control::Thaw(Node::Primary)],
    |_| Sign::Silent(Link::ClientPrimary),
);

pub(super) static REPLICA: FaultEntry = FaultEntry::new(
    "pause-replica",
    "the replica stops where it is (SIGSTOP); its connections stay open",
)
.controls(
    |_| vec![Control::Freeze(Node::Replica)],
    |_| vec![Control::Thaw(Node::Replica)],
    |_| Sign::Silent(Link::ClientReplica),
);
