use std::{fmt, time::Duration};

use super::Strike;
use crate::cluster::{Boxed, Cluster, Link};

/// How one sees that a fault took hold: what its receipt rests on.
#[derive(Clone, Copy, Debug)]
pub enum Sign {
    /// A row written now is not on the replica this much later (a paused
    /// replay shows the same after any time).
    ReplicaBehind {
        /// By how much.
        by: Duration,
    },
    /// A call over the link takes at least this long.
    Slow {
        /// Over which link.
        link: Link,
        /// By how much.
        by: Duration,
    },
    /// No connection can be made over the link.
    Unreachable(Link),
    /// A connection can be made, but nothing answers.
    Silent(Link),
    /// A write over the link gets no answer, yet a probe beside the link finds
    /// it done. A link to the replica, where nobody writes, is just silent.
    RepliesLost(Link),
    /// A commit that waits for the replica is not answered, though the replica
    /// shows its row.
    Unconfirmed,
    /// The primary's log is this many bytes ahead of the replica's.
    ReplicaBehindBytes {
        /// By how many.
        by: u64,
    },
    /// A long row takes its time over the link.
    Throttled {
        /// Over which link.
        link: Link,
        /// The rate, in kilobytes a second.
        kb_per_s: u64,
    },
    /// A row longer than this breaks the connection.
    Limited {
        /// Over which link.
        link: Link,
        /// Bytes let through.
        bytes: u64,
    },
    /// Entries that were just set are gone.
    Evictions,
    /// Clients were struck. Their own gates see it, not the cluster.
    Struck(Strike),
    /// An entry that the cache held before is gone.
    Wiped,
    /// At the end of the fault an entry is what it was at its beginning,
    /// though it was changed in between.
    RolledBack,
    /// The primary's timeline is a new one, and clients' writes reach it.
    Promoted,
    /// Clients hear this late that a server closed their connection.
    ClosesLate {
        /// Over which link.
        link: Link,
        /// By how much.
        by: Duration,
    },
    /// A user's own look shows it.
    Own(Look),
}

/// A user's own way to see a fault: looked again and again while the fault is
/// on, until it returns the evidence, in words.
#[derive(Clone, Copy)]
pub struct Look(pub for<'a> fn(&'a dyn Cluster) -> Boxed<'a, Option<String>>);

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}
