use std::{fmt, str::FromStr};

use quarrel_checkers::Site;

use super::{Mishap, registry::known};
use crate::words::KnownNames;

/// What a search places at every possible point.
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

/// A name by which a search places nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacedFaultError {
    /// Nobody knows it.
    #[error("no fault is called `{name}`; {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What a search can place.
        known: KnownNames,
    },
    /// Storms know it, searches do not.
    #[error("no search places {0}; `quarrel run --fault {0}` storms with it")]
    OnlyInStorms(String),
}

impl PlacedFault {
    /// Every fault that a search can place, once.
    pub fn all() -> impl Iterator<Item = Self> {
        let mut all: Vec<Self> = Vec::new();
        for placed in known().iter().filter_map(|entry| entry.in_searches()) {
            if !all.contains(&placed) {
                all.push(placed);
            }
        }
        all.into_iter()
    }

    /// Whether it happens all the time, rather than a counted number of times.
    #[must_use]
    pub const fn is_climate(self) -> bool {
        matches!(self, Self::ReplicaLag)
    }
}

impl fmt::Display for PlacedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match known().iter().find(|entry| entry.in_searches() == Some(*self)) {
            Some(entry) => f.write_str(entry.name()),
            None => write!(f, "{self:?}"),
        }
    }
}

impl FromStr for PlacedFault {
    type Err = PlacedFaultError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let all = known();
        let Some(entry) = all.iter().find(|entry| entry.name() == name) else {
            let placed = all.iter().filter(|entry| entry.in_searches().is_some());
            let known = KnownNames::of(name, placed.map(|entry| entry.name()));
            return Err(PlacedFaultError::Unknown { name: name.to_owned(), known });
        };
        entry.in_searches().ok_or_else(|| PlacedFaultError::OnlyInStorms(name.to_owned()))
    }
}
