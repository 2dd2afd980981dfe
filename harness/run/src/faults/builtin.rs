use std::time::Duration;

use quarrel_strategy::cluster::{Control, Fencing, Impairment, Link, Node};

use super::{Amount, Sign, Strike, fault::Shape};

/// A kind of fault.
pub struct FaultEntry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Its usual amount, if it has one.
    pub amount: Option<Amount>,
    /// The ways in which it can be brought about; the first is the usual one.
    pub ways: &'static [&'static str],
    pub(super) effect: Effect,
    pub(super) sign: fn(&Shape) -> Sign,
}

/// What a fault is made of.
pub(super) enum Effect {
    /// Controls of the cluster, to bring it about and to take it away.
    Cluster { inject: fn(&Shape) -> Vec<Control>, heal: fn(&Shape) -> Vec<Control> },
    /// Something that happens to clients.
    Clients(fn(&Shape) -> Strike),
}

/// The faults that are built in.
pub fn builtin() -> impl Iterator<Item = &'static FaultEntry> {
    [REPLICATION, STREAM, REDIS, PRIMARY, REPLICA, NODES, CACHE, CLIENTS].into_iter().flatten()
}

const REPLICATION: &[FaultEntry] = &[
    FaultEntry {
        name: "replica-lag",
        summary: "the replica is behind: by its apply delay, a slow link, or a replay that stands still",
        amount: Some(Amount::millis(200)),
        ways: &["apply", "link", "pause"],
        effect: Effect::Cluster {
            inject: |shape| {
                vec![match shape.via {
                    "link" => slow(Link::ReplicaPrimary, shape),
                    "pause" => Control::PauseReplay,
                    _ => Control::ApplyDelay(shape.time()),
                }]
            },
            heal: |shape| {
                vec![match shape.via {
                    "link" => Control::Restore(Link::ReplicaPrimary),
                    "pause" => Control::ResumeReplay,
                    _ => Control::ApplyDelay(Duration::ZERO),
                }]
            },
        },
        sign: |shape| Sign::ReplicaBehind { by: shape.time() },
    },
    FaultEntry {
        name: "replica-behind",
        summary: "the replay stands still until it is this many bytes behind, and longer",
        amount: Some(Amount::bytes(16_000)),
        ways: &[],
        effect: Effect::Cluster {
            inject: |_| vec![Control::PauseReplay],
            heal: |_| vec![Control::ResumeReplay],
        },
        sign: |shape| Sign::ReplicaBehindBytes { by: shape.count() },
    },
    FaultEntry {
        name: "replication-cut",
        summary: "the replica does not reach the primary: no log arrives",
        amount: None,
        ways: &[],
        effect: Effect::Cluster {
            inject: |_| vec![Control::Cut(Link::ReplicaPrimary)],
            heal: |_| vec![Control::Restore(Link::ReplicaPrimary)],
        },
        sign: |_| Sign::ReplicaBehind { by: LITTLE },
    },
    FaultEntry {
        name: "failover",
        summary: "the replica, cut off for this long, becomes the primary: what was acknowledged meanwhile is lost",
        amount: Some(Amount::millis(300)),
        ways: &["fenced", "unfenced"],
        effect: Effect::Cluster {
            inject: |shape| {
                let cut = Control::Cut(Link::ReplicaPrimary);
                let wait = Control::Wait(shape.time());
                match shape.via {
                    // Two primaries for a while: clients write to the old one,
                    // and who reads the replica reads the new one.
                    "unfenced" => {
                        vec![cut, Control::Promote(Fencing::Unfenced), wait, Control::Switch]
                    }
                    _ => vec![cut, wait, Control::Promote(Fencing::Fenced), Control::Switch],
                }
            },
            // The link first: mending it later would break the stream.
            heal: |_| vec![Control::Restore(Link::ReplicaPrimary), Control::Rejoin],
        },
        sign: |_| Sign::Promoted,
    },
    FaultEntry {
        name: "replication-stall",
        summary: "the log stops flowing to the replica; the connection stays open, nothing is lost",
        amount: None,
        ways: &[],
        effect: Effect::Cluster {
            inject: |_| {
                let impairment = Impairment::Bandwidth { kb_per_s: 0 };
                vec![Control::Impair { link: Link::ReplicaPrimary, impairment }]
            },
            heal: |_| vec![Control::Restore(Link::ReplicaPrimary)],
        },
        sign: |_| Sign::ReplicaBehind { by: LITTLE },
    },
    FaultEntry {
        name: "replication-bandwidth",
        summary: "the log flows to the replica at this rate at most",
        amount: Some(Amount::kb_per_s(4)),
        ways: &[],
        effect: Effect::Cluster {
            inject: |shape| {
                let impairment = Impairment::Bandwidth { kb_per_s: shape.count() };
                vec![Control::Impair { link: Link::ReplicaPrimary, impairment }]
            },
            heal: |_| vec![Control::Restore(Link::ReplicaPrimary)],
        },
        sign: |_| Sign::ReplicaBehind { by: LITTLE },
    },
];

/// A fault of a link; unless it says otherwise it is healed by restoring the
/// link.
macro_rules! link_fault {
    ($store:literal, $kind:literal, $summary:expr, $amount:expr, $link:expr, $inject:expr, $sign:expr) => {
        link_fault!(
            $store,
            $kind,
            $summary,
            $amount,
            $link,
            $inject,
            $sign,
            &[Control::Restore($link)]
        )
    };
    ($store:literal, $kind:literal, $summary:expr, $amount:expr, $link:expr, $inject:expr, $sign:expr, $heal:expr) => {
        FaultEntry {
            name: concat!($store, $kind),
            summary: $summary,
            amount: $amount,
            ways: &[],
            effect: Effect::Cluster {
                inject: |shape| {
                    let control: fn(&Shape) -> Control = $inject;
                    vec![control(shape)]
                },
                heal: |_| $heal.to_vec(),
            },
            sign: $sign,
        }
    };
}

/// Bytes are missing from a stream: its connection is of no use any more.
const NEW_STREAM: &[Control] =
    &[Control::Cut(Link::ReplicaPrimary), Control::Restore(Link::ReplicaPrimary)];

const fn impair_stream(impairment: Impairment) -> Control {
    Control::Impair { link: Link::ReplicaPrimary, impairment }
}

const STREAM: &[FaultEntry] = &[
    link_fault!(
        "replication",
        "-reply-lost",
        "the log that the primary sends never arrives; the connection stays open",
        None,
        Link::ReplicaPrimary,
        |_| Control::DropReplies(Link::ReplicaPrimary),
        |_| Sign::ReplicaBehind { by: LITTLE },
        NEW_STREAM
    ),
    link_fault!(
        "replication",
        "-request-lost",
        "the primary never hears what the replica has replayed: commits that wait for it hang",
        None,
        Link::ReplicaPrimary,
        |_| impair_stream(Impairment::DropRequests),
        |_| Sign::Unconfirmed,
        NEW_STREAM
    ),
    link_fault!(
        "replication",
        "-reset",
        "the replica's connections are reset as soon as the primary sends something",
        None,
        Link::ReplicaPrimary,
        |_| impair_stream(Impairment::Reset),
        |_| Sign::ReplicaBehind { by: LITTLE }
    ),
    link_fault!(
        "replication",
        "-slicer",
        "the log comes in pieces of 4 bytes, with this pause between",
        Some(Amount::millis(5)),
        Link::ReplicaPrimary,
        |shape| impair_stream(Impairment::Slice { bytes: 4, pause: shape.time() }),
        |_| Sign::ReplicaBehind { by: LITTLE }
    ),
    link_fault!(
        "replication",
        "-limit",
        "the replica's connection closes after this many bytes; it begins a segment anew each time",
        Some(Amount::bytes(4_000)),
        Link::ReplicaPrimary,
        |shape| impair_stream(Impairment::Limit { bytes: shape.count() }),
        |_| Sign::ReplicaBehind { by: LITTLE }
    ),
];

/// The faults of a link from clients to a store.
macro_rules! link_faults {
    ($store:literal, $whom:literal, $link:expr) => {
        &[
            link_fault!(
                $store,
                "-latency",
                concat!("answers of ", $whom, " reach clients late"),
                Some(Amount::millis(100)),
                $link,
                |shape| slow($link, shape),
                |shape| Sign::Slow { link: $link, by: shape.time() }
            ),
            link_fault!(
                $store,
                "-cut",
                concat!("no client reaches ", $whom, ": connections break, new ones are refused"),
                None,
                $link,
                |_| Control::Cut($link),
                |_| Sign::Unreachable($link)
            ),
            link_fault!(
                $store,
                "-reply-lost",
                concat!("requests reach ", $whom, " and run, answers never come back"),
                None,
                $link,
                |_| Control::DropReplies($link),
                |_| Sign::RepliesLost($link)
            ),
            link_fault!(
                $store,
                "-request-lost",
                concat!("requests never reach ", $whom, "; connections stay open"),
                None,
                $link,
                |_| Control::Impair { link: $link, impairment: Impairment::DropRequests },
                |_| Sign::Silent($link)
            ),
            link_fault!(
                $store,
                "-reset",
                concat!("connections to ", $whom, " are reset as soon as it answers"),
                None,
                $link,
                |_| Control::Impair { link: $link, impairment: Impairment::Reset },
                |_| Sign::Silent($link)
            ),
            link_fault!(
                $store,
                "-slow-close",
                concat!("clients learn late that ", $whom, " closed a connection"),
                Some(Amount::millis(500)),
                $link,
                |shape| Control::Impair {
                    link: $link,
                    impairment: Impairment::SlowClose(shape.time()),
                },
                |shape| Sign::ClosesLate { link: $link, by: shape.time() }
            ),
            link_fault!(
                $store,
                "-slicer",
                concat!(
                    "answers of ",
                    $whom,
                    " come in pieces of 4 bytes, with this pause between"
                ),
                Some(Amount::millis(5)),
                $link,
                |shape| Control::Impair {
                    link: $link,
                    impairment: Impairment::Slice { bytes: 4, pause: shape.time() },
                },
                |shape| Sign::Slow { link: $link, by: shape.time() }
            ),
            link_fault!(
                $store,
                "-limit",
                concat!("connections to ", $whom, " close after this many bytes of answers"),
                Some(Amount::bytes(4_000)),
                $link,
                |shape| Control::Impair {
                    link: $link,
                    impairment: Impairment::Limit { bytes: shape.count() },
                },
                |shape| Sign::Limited { link: $link, bytes: shape.count() }
            ),
            link_fault!(
                $store,
                "-bandwidth",
                concat!("answers of ", $whom, " flow at this rate at most"),
                Some(Amount::kb_per_s(5)),
                $link,
                |shape| Control::Impair {
                    link: $link,
                    impairment: Impairment::Bandwidth { kb_per_s: shape.count() },
                },
                |shape| Sign::Throttled { link: $link, kb_per_s: shape.count() }
            ),
        ]
    };
}

const REDIS: &[FaultEntry] = link_faults!("redis", "the cache", Link::ClientCache);
const PRIMARY: &[FaultEntry] = link_faults!("primary", "the primary", Link::ClientPrimary);
const REPLICA: &[FaultEntry] = link_faults!("replica", "the replica", Link::ClientReplica);

/// Faults of a server.
macro_rules! node_fault {
    ($name:literal, $summary:literal, $inject:expr, $heal:expr, $sign:expr) => {
        FaultEntry {
            name: $name,
            summary: $summary,
            amount: None,
            ways: &[],
            effect: Effect::Cluster { inject: |_| vec![$inject], heal: |_| vec![$heal] },
            sign: |_| $sign,
        }
    };
}

const NODES: &[FaultEntry] = &[
    node_fault!(
        "kill-redis",
        "the cache dies (SIGKILL) and comes back with what it had saved: by default nothing",
        Control::Kill(Node::Cache),
        Control::Start(Node::Cache),
        Sign::Unreachable(Link::ClientCache)
    ),
    node_fault!(
        "kill-primary",
        "the primary dies (SIGKILL) and comes back with every commit",
        Control::Kill(Node::Primary),
        Control::Start(Node::Primary),
        Sign::Unreachable(Link::ClientPrimary)
    ),
    node_fault!(
        "kill-replica",
        "the replica dies (SIGKILL) and comes back",
        Control::Kill(Node::Replica),
        Control::Start(Node::Replica),
        Sign::Unreachable(Link::ClientReplica)
    ),
    node_fault!(
        "pause-redis",
        "the cache stops where it is (SIGSTOP); its connections stay open",
        Control::Freeze(Node::Cache),
        Control::Thaw(Node::Cache),
        Sign::Silent(Link::ClientCache)
    ),
    node_fault!(
        "pause-primary",
        "the primary stops where it is (SIGSTOP); its connections stay open",
        Control::Freeze(Node::Primary),
        Control::Thaw(Node::Primary),
        Sign::Silent(Link::ClientPrimary)
    ),
    node_fault!(
        "pause-replica",
        "the replica stops where it is (SIGSTOP); its connections stay open",
        Control::Freeze(Node::Replica),
        Control::Thaw(Node::Replica),
        Sign::Silent(Link::ClientReplica)
    ),
];

const CACHE: &[FaultEntry] = &[
    FaultEntry {
        name: "redis-wipe",
        summary: "the cache forgets everything (FLUSHALL)",
        amount: None,
        ways: &[],
        effect: Effect::Cluster { inject: |_| vec![Control::WipeCache], heal: |_| Vec::new() },
        sign: |_| Sign::Wiped,
    },
    FaultEntry {
        name: "redis-rollback",
        summary: "the cache saves a snapshot, and at the end of the fault dies and restarts from it",
        amount: None,
        ways: &[],
        effect: Effect::Cluster {
            inject: |_| vec![Control::SaveCache],
            heal: |_| vec![Control::Kill(Node::Cache), Control::Start(Node::Cache)],
        },
        sign: |_| Sign::RolledBack,
    },
    FaultEntry {
        name: "redis-evict",
        summary: "the cache may grow by this much (maxmemory), then it evicts any key for a new one",
        amount: Some(Amount::bytes(1_000)),
        ways: &[],
        effect: Effect::Cluster {
            inject: |shape| vec![Control::LimitCache(Some(shape.count()))],
            heal: |_| vec![Control::LimitCache(None)],
        },
        sign: |_| Sign::Evictions,
    },
];

const CLIENTS: &[FaultEntry] = &[
    FaultEntry {
        name: "client-crash",
        summary: "now and then a client, or a background agent, dies between two steps",
        amount: None,
        ways: &[],
        effect: Effect::Clients(|_| Strike::Crash),
        sign: |_| Sign::Struck(Strike::Crash),
    },
    FaultEntry {
        name: "client-pause",
        summary: "now and then a client pauses this long between two steps, as in a garbage collection",
        amount: Some(Amount::millis(300)),
        ways: &[],
        effect: Effect::Clients(|shape| Strike::Pause(shape.time())),
        sign: |shape| Sign::Struck(Strike::Pause(shape.time())),
    },
    FaultEntry {
        name: "client-give-up",
        summary: "clients wait no longer than this for an answer; what they asked may run all the same",
        amount: Some(Amount::millis(5)),
        ways: &[],
        effect: Effect::Clients(|shape| Strike::GiveUp(shape.time())),
        sign: |shape| Sign::Struck(Strike::GiveUp(shape.time())),
    },
    FaultEntry {
        name: "manual-sql",
        summary: "this often an operator changes a row by SQL, beside the application",
        amount: Some(Amount::millis(100)),
        ways: &[],
        effect: Effect::Clients(|shape| Strike::Manual(shape.time())),
        sign: |shape| Sign::Struck(Strike::Manual(shape.time())),
    },
];

/// How far behind a replica must be that gets no log at all.
const LITTLE: Duration = Duration::from_millis(50);

const fn slow(link: Link, shape: &Shape) -> Control {
    Control::Latency { link, latency: shape.time(), jitter: shape.jitter }
}
