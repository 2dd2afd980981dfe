use std::{fmt, str::FromStr};

use quarrel_checkers::Site;
use quarrel_sim::Mishap;
use quarrel_strategy::strategy::KnownNames;

/// A fault that the explorer places at every possible point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlacedFault {
    /// The replica replays any time later, one commit at a time.
    ReplicaLag,
    /// A call goes wrong.
    Call(Site, Mishap),
    /// A client dies between two steps.
    ClientCrash,
    /// The cache loses everything.
    CacheWiped,
    /// The cache saves a snapshot once and comes back with it later.
    CacheRollback,
    /// The cache evicts an entry.
    Eviction,
    /// So much time passes that an entry expires.
    Expiry,
    /// Somebody changes the row by hand.
    ManualSql,
    /// The replica is promoted; what it had not received is lost.
    Failover,
    /// The primary hears late what the replica has applied.
    LateAcknowledgement,
    /// The connections break on which clients are told of changes, and what is
    /// on its way is lost. A cut link does the same.
    MessagesLost,
    /// What clients are told arrives in the opposite order.
    MessagesReordered,
}

/// Nobody knows a fault of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the explorer knows no fault `{name}`; {known}")]
pub struct UnknownFault {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: KnownNames,
}

const NAMED: [(&str, PlacedFault); 21] = [
    ("replica-lag", PlacedFault::ReplicaLag),
    ("redis-cut", PlacedFault::Call(Site::Cache, Mishap::Fails)),
    ("redis-request-lost", PlacedFault::Call(Site::Cache, Mishap::RequestLost)),
    ("redis-reply-lost", PlacedFault::Call(Site::Cache, Mishap::ReplyLost)),
    ("late-message", PlacedFault::Call(Site::Cache, Mishap::Delayed)),
    ("primary-cut", PlacedFault::Call(Site::Primary, Mishap::Fails)),
    ("primary-request-lost", PlacedFault::Call(Site::Primary, Mishap::RequestLost)),
    ("primary-reply-lost", PlacedFault::Call(Site::Primary, Mishap::ReplyLost)),
    ("replica-cut", PlacedFault::Call(Site::Replica, Mishap::Fails)),
    ("replica-request-lost", PlacedFault::Call(Site::Replica, Mishap::RequestLost)),
    ("replica-reply-lost", PlacedFault::Call(Site::Replica, Mishap::ReplyLost)),
    ("client-crash", PlacedFault::ClientCrash),
    ("redis-wipe", PlacedFault::CacheWiped),
    ("redis-rollback", PlacedFault::CacheRollback),
    ("redis-evict", PlacedFault::Eviction),
    ("expiry", PlacedFault::Expiry),
    ("manual-sql", PlacedFault::ManualSql),
    ("failover", PlacedFault::Failover),
    ("late-ack", PlacedFault::LateAcknowledgement),
    ("messages-lost", PlacedFault::MessagesLost),
    ("messages-reordered", PlacedFault::MessagesReordered),
];

impl PlacedFault {
    /// Every fault that has a name.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMED.iter().map(|(_, fault)| *fault)
    }

    /// Whether it happens all the time, rather than a counted number of times.
    #[must_use]
    pub const fn is_climate(self) -> bool {
        matches!(self, Self::ReplicaLag)
    }
}

impl fmt::Display for PlacedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(_, fault)| fault == self) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{self:?}"),
        }
    }
}

impl FromStr for PlacedFault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault).ok_or_else(|| {
            let known = KnownNames::of(name, NAMED.iter().map(|(name, _)| *name));
            UnknownFault { name: name.to_owned(), known }
        })
    }
}
