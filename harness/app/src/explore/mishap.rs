//! Faults as choices: what can go wrong with a message, and beside messages.

use std::{fmt, str::FromStr};

use quarrel_checkers::Site;

/// A fault that a search of an application places at every possible point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppFault {
    /// The connection breaks before a request has got to the store.
    Cut(Site),
    /// The store does what it is asked, and the connection breaks in place of
    /// its answer.
    ReplyLost(Site),
    /// A request is under way until its client has given it up, and runs then.
    LateMessage,
    /// The cache loses every entry of the row.
    CacheWiped,
    /// The cache saves what it has of the row, and comes back with it later.
    CacheRollback,
    /// The cache loses one entry: it was evicted, or its time was over.
    Eviction,
    /// Somebody changes the row by hand.
    ManualSql,
    /// The replica replays nothing until it catches up, if it does.
    ReplicaLag,
}

const NAMED: [(&str, AppFault); 12] = [
    ("redis-cut", AppFault::Cut(Site::Cache)),
    ("redis-reply-lost", AppFault::ReplyLost(Site::Cache)),
    ("primary-cut", AppFault::Cut(Site::Primary)),
    ("primary-reply-lost", AppFault::ReplyLost(Site::Primary)),
    ("replica-cut", AppFault::Cut(Site::Replica)),
    ("late-message", AppFault::LateMessage),
    ("redis-wipe", AppFault::CacheWiped),
    ("redis-rollback", AppFault::CacheRollback),
    ("redis-evict", AppFault::Eviction),
    ("expiry", AppFault::Eviction),
    ("manual-sql", AppFault::ManualSql),
    ("replica-lag", AppFault::ReplicaLag),
];

impl AppFault {
    /// Whether a deed at a site can only be where this may happen.
    pub(super) fn brings(self, deed: &Deed, at: Site) -> bool {
        match deed {
            Deed::Breaks => self == Self::Cut(at),
            Deed::LosesReply => self == Self::ReplyLost(at),
            Deed::Dawdles | Deed::Arrives => self == Self::LateMessage,
            Deed::Forgets(None) => self == Self::CacheWiped,
            Deed::Forgets(Some(_)) => self == Self::Eviction,
            Deed::Saves | Deed::ComesBack => self == Self::CacheRollback,
            Deed::Changes => self == Self::ManualSql,
            Deed::CatchesUp => self == Self::ReplicaLag,
            Deed::GoesOn | Deed::Answered => false,
        }
    }

    /// Every name of a fault.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }
}

impl fmt::Display for AppFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMED.iter().find(|(_, fault)| fault == self);
        f.write_str(named.map_or("a fault without a name", |(name, _)| name))
    }
}

impl FromStr for AppFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = NAMED.iter().find(|(name, _)| *name == text);
        named.map(|(_, fault)| *fault).ok_or_else(|| {
            let names: Vec<_> = Self::names().collect();
            format!(
                "`{text}` is no fault that a search of an application can place: {}",
                names.join(", ")
            )
        })
    }
}

/// What becomes of a message, or happens beside messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// The message goes on.
    GoesOn,
    /// The connection breaks in its place.
    Breaks,
    /// It goes on, and the connection breaks in place of its answer.
    LosesReply,
    /// It is under way until its client has given it up.
    Dawdles,
    /// It arrives, though its client has given it up.
    Arrives,
    /// Its answer reaches the client.
    Answered,
    /// The cache loses this entry; all of them if none is named.
    Forgets(Option<String>),
    /// The cache saves what it has.
    Saves,
    /// The cache is as it was when it saved.
    ComesBack,
    /// Somebody changes the row.
    Changes,
    /// The replica replays all there is.
    CatchesUp,
}

impl Deed {
    /// Whether it is a fault, of which there are so many at most.
    pub(super) const fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::GoesOn | Self::Arrives | Self::Answered | Self::ComesBack | Self::CatchesUp
        )
    }

    /// Whether it has to do with a message of a client.
    pub(super) const fn is_of_a_message(&self) -> bool {
        matches!(
            self,
            Self::GoesOn
                | Self::Breaks
                | Self::LosesReply
                | Self::Dawdles
                | Self::Arrives
                | Self::Answered
        )
    }

    /// How the line of a message goes on.
    pub(super) const fn words(&self) -> &'static str {
        match self {
            Self::Breaks => "breaks",
            Self::LosesReply => "loses its reply",
            Self::Dawdles => "dawdles",
            Self::Arrives => "arrives late",
            Self::Answered => "is answered",
            _ => "",
        }
    }

    /// The deed whose line goes on with these words.
    pub(super) fn of_words(words: &str) -> Option<Self> {
        [Self::GoesOn, Self::Breaks, Self::LosesReply, Self::Dawdles, Self::Arrives, Self::Answered]
            .into_iter()
            .find(|deed| deed.words() == words)
    }

    /// What happens beside messages, and where, in words; `{key}` stands for
    /// the row's number.
    pub(super) fn shape(&self) -> (Site, String) {
        match self {
            Self::Forgets(Some(entry)) => (Site::Cache, format!("loses {entry}")),
            Self::Forgets(None) => (Site::Cache, "loses everything".to_owned()),
            Self::Saves => (Site::Cache, "saves what it has".to_owned()),
            Self::ComesBack => (Site::Cache, "comes back as it was when it saved".to_owned()),
            Self::Changes => (Site::Primary, "the row is changed by hand".to_owned()),
            _ => (Site::Replica, "catches up".to_owned()),
        }
    }

    /// The deed of such words.
    pub(super) fn of_shape(site: Site, shape: &str) -> Option<Self> {
        if let (Site::Cache, Some(entry)) = (site, shape.strip_prefix("loses "))
            && entry != "everything"
        {
            return Some(Self::Forgets(Some(entry.to_owned())));
        }
        [Self::Forgets(None), Self::Saves, Self::ComesBack, Self::Changes, Self::CatchesUp]
            .into_iter()
            .find(|deed| deed.shape() == (site, shape.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_and_deeds_are_read_as_they_are_printed() {
        for name in AppFault::names().filter(|name| *name != "expiry") {
            assert_eq!(name.parse::<AppFault>().unwrap().to_string(), name);
        }
        assert!("failover".parse::<AppFault>().unwrap_err().contains("redis-cut, "));
        let beside = [
            Deed::Forgets(None),
            Deed::Forgets(Some("item:{key}".to_owned())),
            Deed::Saves,
            Deed::ComesBack,
            Deed::Changes,
            Deed::CatchesUp,
        ];
        for deed in beside {
            let (site, shape) = deed.shape();
            assert_eq!(Deed::of_shape(site, &shape), Some(deed));
        }
        assert_eq!(Deed::of_words(""), Some(Deed::GoesOn));
        assert_eq!(Deed::of_words("dawdles"), Some(Deed::Dawdles));
        assert_eq!(Deed::of_words("explodes"), None);
    }
}
