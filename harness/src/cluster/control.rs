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
            Self::Restore(link) => write!(f, "restore {link}"),
            Self::Kill(node) => write!(f, "kill {node}"),
            Self::Start(node) => write!(f, "start {node}"),
            Self::Freeze(node) => write!(f, "freeze {node}"),
            Self::Thaw(node) => write!(f, "thaw {node}"),
            Self::PauseReplay => f.write_str("pause replay"),
            Self::ResumeReplay => f.write_str("resume replay"),
            Self::ApplyDelay(delay) => write!(f, "replay {delay:?} late"),
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
