use std::{fmt, time::Duration};

/// A link between two parts of the cluster, by its name in the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// Clients to the primary.
    ClientPrimary,
    /// Clients to the replica.
    ClientReplica,
    /// Clients to the cache.
    ClientCache,
    /// The replica to the primary. The replica dials, so the log flows
    /// downstream and acknowledgements upstream.
    ReplicaPrimary,
}

impl Link {
    /// Every link that faults strike.
    pub const ALL: [Self; 4] =
        [Self::ClientPrimary, Self::ClientReplica, Self::ClientCache, Self::ReplicaPrimary];

    /// Its name in the proxy.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientPrimary => "client-primary",
            Self::ClientReplica => "client-replica",
            Self::ClientCache => "client-cache",
            Self::ReplicaPrimary => "replica-primary",
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A server of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// The Postgres that takes writes.
    Primary,
    /// The Postgres that replays them.
    Replica,
    /// Redis.
    Cache,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Cache => "cache",
        })
    }
}

/// What can be done to the bytes of a link besides delaying and losing
/// replies. "Requests" flow from the dialling side, "answers" towards it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impairment {
    /// Requests vanish; connections stay open. With
    /// [`Control::DropReplies`], the two ways to cut a link one way.
    DropRequests,
    /// Connections are reset (RST) as soon as data flow.
    Reset,
    /// The end of a connection arrives this much later.
    SlowClose(Duration),
    /// Answers come in pieces of this many bytes, with a pause after each.
    Slice {
        /// Bytes in a piece.
        bytes: u64,
        /// After each.
        pause: Duration,
    },
    /// A connection closes after this many bytes of answers.
    Limit {
        /// Bytes let through.
        bytes: u64,
    },
    /// Answers flow at this rate at most.
    Bandwidth {
        /// Kilobytes (of 1000 bytes) a second; 0 stalls.
        kb_per_s: u64,
    },
}

impl fmt::Display for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DropRequests => f.write_str("drop requests"),
            Self::Reset => f.write_str("reset connections"),
            Self::SlowClose(delay) => write!(f, "close {delay:?} late"),
            Self::Slice { bytes, pause } => write!(f, "pieces of {bytes} bytes every {pause:?}"),
            Self::Limit { bytes } => write!(f, "close after {bytes} bytes"),
            Self::Bandwidth { kb_per_s } => write!(f, "at most {kb_per_s} kB/s"),
        }
    }
}

/// What becomes of the old primary when the replica is promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fencing {
    /// It is stopped: nobody writes to it any more.
    Fenced,
    /// It runs on, and clients that still reach it still write to it.
    Unfenced,
}

/// A primitive thing that can be done to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Every message of the link takes this much longer, in each direction
    /// that carries data to the dialling side.
    Latency {
        /// Where.
        link: Link,
        /// How much.
        latency: Duration,
        /// Plus or minus at most this.
        jitter: Duration,
    },
    /// Nothing passes: connections break and new ones are refused.
    Cut(Link),
    /// Requests arrive and run, replies vanish; connections stay open.
    DropReplies(Link),
    /// Something else happens to the link's bytes.
    Impair {
        /// Where.
        link: Link,
        /// What.
        impairment: Impairment,
    },
    /// The link is as if nothing had been done to it.
    Restore(Link),
    /// The server dies at once, without a chance to save.
    Kill(Node),
    /// A killed server starts again with what it had saved.
    Start(Node),
    /// The server stops where it is; its connections stay open.
    Freeze(Node),
    /// A frozen server goes on.
    Thaw(Node),
    /// The replica receives the log but replays none of it. Returns when it
    /// has stopped.
    PauseReplay,
    /// It replays again.
    ResumeReplay,
    /// The replica replays each commit this long after it was made.
    ApplyDelay(Duration),
    /// The cache forgets everything (`FLUSHALL`).
    WipeCache,
    /// The cache saves a snapshot (`SAVE`), from which it starts again.
    SaveCache,
    /// The cache may grow by so many bytes; then it evicts any key at random
    /// for each new one. None lifts the limit.
    LimitCache(Option<u64>),
    /// Nothing is done for so long, between two other controls.
    Wait(Duration),
    /// The replica becomes a primary. Clients still write to the old one, if
    /// it still runs.
    Promote(Fencing),
    /// Clients are sent to the server that was promoted. There is no replica
    /// then, and reads of the replica reach the new primary.
    Switch,
    /// After a promotion: the old primary comes back as the replica of the new
    /// one, with what it had written alone thrown away.
    Rejoin,
}

/// What a cluster must have for a control to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A fault proxy on the link.
    Proxy(Link),
    /// Servers that it may stop.
    Servers,
    /// A replica whose settings it may change.
    ReplicaSettings,
    /// A cache in which nobody else keeps anything.
    WholeCache,
    /// An old primary that it can make a replica of the new one.
    Promotion,
}

impl Control {
    /// What a cluster must have for it.
    #[must_use]
    pub const fn needs(&self) -> Needs {
        match self {
            Self::Latency { link, .. }
            | Self::Cut(link)
            | Self::DropReplies(link)
            | Self::Impair { link, .. }
            | Self::Restore(link) => Needs::Proxy(*link),
            Self::Kill(_) | Self::Start(_) | Self::Freeze(_) | Self::Thaw(_) => Needs::Servers,
            Self::PauseReplay | Self::ResumeReplay | Self::ApplyDelay(_) => Needs::ReplicaSettings,
            Self::WipeCache | Self::SaveCache | Self::LimitCache(_) => Needs::WholeCache,
            Self::Wait(_) => Needs::Nothing,
            Self::Promote(_) | Self::Switch | Self::Rejoin => Needs::Promotion,
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency { link, latency, jitter } if jitter.is_zero() => {
                write!(f, "latency of {latency:?} on {link}")
            }
            Self::Latency { link, latency, jitter } => {
                write!(f, "latency of {latency:?} ± {jitter:?} on {link}")
            }
            Self::Cut(link) => write!(f, "cut {link}"),
            Self::DropReplies(link) => write!(f, "drop replies on {link}"),
            Self::Impair { link, impairment } => write!(f, "{impairment} on {link}"),
            Self::Restore(link) => write!(f, "restore {link}"),
            Self::Kill(node) => write!(f, "kill {node}"),
            Self::Start(node) => write!(f, "start {node}"),
            Self::Freeze(node) => write!(f, "freeze {node}"),
            Self::Thaw(node) => write!(f, "thaw {node}"),
            Self::PauseReplay => f.write_str("pause replay"),
            Self::ResumeReplay => f.write_str("resume replay"),
            Self::ApplyDelay(delay) => write!(f, "replay {delay:?} late"),
            Self::WipeCache => f.write_str("wipe the cache"),
            Self::SaveCache => f.write_str("save the cache"),
            Self::LimitCache(Some(bytes)) => write!(f, "limit the cache to {bytes} bytes more"),
            Self::LimitCache(None) => f.write_str("let the cache grow"),
            Self::Promote(Fencing::Fenced) => f.write_str("promote the replica, stop the primary"),
            Self::Promote(Fencing::Unfenced) => {
                f.write_str("promote the replica beside the primary")
            }
            Self::Wait(time) => write!(f, "wait {time:?}"),
            Self::Switch => f.write_str("send clients to the promoted server"),
            Self::Rejoin => f.write_str("bring the old primary back as the replica"),
        }
    }
}

/// This cluster cannot do that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{control} is not possible here: {why}\n  try: {advice}")]
pub struct Unsupported {
    /// What was wanted.
    pub control: String,
    /// What is missing.
    pub why: String,
    /// What would work.
    pub advice: String,
}

/// A control was accepted and then failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not {control}: {why}")]
pub struct ControlError {
    /// What was wanted.
    pub control: String,
    /// What went wrong.
    pub why: String,
}
