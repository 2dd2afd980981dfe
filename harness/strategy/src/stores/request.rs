use std::{borrow::Cow, time::Duration};

use quarrel_checkers::{Content, Key, Lsn, Object, Site, Value};

use super::{Script, ScriptCall};

/// A row of the database: a value and the version that the primary gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The value; nil where the row says "deleted".
    pub value: Value,
    /// Its version, counted from 1 within the key.
    pub version: u64,
}

impl From<Row> for Content {
    fn from(row: Row) -> Self {
        Self::Row { value: row.value, version: row.version }
    }
}

/// How long a cache entry lives; none means for ever.
pub type Ttl = Option<Duration>;

/// One of the things that the cache keeps under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// Empty for the row's entry, else a name such as `pointer` or `marker`.
    pub space: &'static str,
    /// The key.
    pub key: Key,
    /// The version in the name of a versioned entry.
    pub version: Option<u64>,
}

impl Item {
    /// The entry of `key`.
    #[must_use]
    pub const fn entry(key: Key) -> Self {
        Self { space: "", key, version: None }
    }

    /// Something else kept under `key`, by the name of what it is.
    #[must_use]
    pub const fn named(space: &'static str, key: Key) -> Self {
        Self { space, key, version: None }
    }

    /// The entry of one version of `key`.
    #[must_use]
    pub const fn versioned(key: Key, version: u64) -> Self {
        Self { space: "", key, version: Some(version) }
    }

    /// Its name in Redis: `kv:7`, `kv:7:v3`, `marker:7`, behind `prefix`.
    #[must_use]
    pub fn redis_key(&self, prefix: &str) -> String {
        let space = if self.space.is_empty() { "kv" } else { self.space };
        match self.version {
            None => format!("{prefix}{space}:{}", self.key),
            Some(version) => format!("{prefix}{space}:{}:v{version}", self.key),
        }
    }
}

impl From<Item> for Object {
    fn from(item: Item) -> Self {
        Self { space: Cow::Borrowed(item.space), key: item.key, version: item.version }
    }
}

/// What a commit waits for before it is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Only the primary (`synchronous_commit = local`).
    #[default]
    Local,
    /// The replica has applied it too (`synchronous_commit = remote_apply`).
    RemoteApply,
}

/// A source from which a background agent learns what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feed {
    /// The table `outbox`: a row for every [`Request::PrimaryWriteOutbox`].
    /// Rows stay until they are acknowledged.
    Outbox,
    /// A logical replication slot on the primary: every committed change of
    /// the table, whoever made it. Changes stay until acknowledged.
    Slot,
    /// `LISTEN`: what [`Request::PrimaryWriteNotify`] says. Only what is said
    /// while the connection stands arrives, and only once.
    Notify,
}

/// A change that a [`Feed`] tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeedChange {
    /// By what it is acknowledged: the id of the outbox row, the log position
    /// after its commit, or a count.
    pub position: u64,
    /// Which row changed.
    pub key: Key,
    /// To which version.
    pub version: u64,
}

/// What a client is told about its near cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stale {
    /// What it keeps of one key has changed.
    Key(Key),
    /// This is the key's row now, in place of what it keeps.
    Replaced(Key, Row),
    /// Nobody knows what: the server forgot what this client had read, or the
    /// client did not listen for a while.
    All,
}

/// A call to a store, as data.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// `SELECT` on the primary.
    PrimaryRead(Key),
    /// Sets the row's value and counts its version up by one, creating the row
    /// if need be.
    PrimaryWrite {
        /// The row.
        key: Key,
        /// Its new value.
        value: Value,
        /// What the commit waits for.
        durability: Durability,
    },
    /// The same, if the row is still at `expected` (0 is "absent").
    PrimaryWriteIf {
        /// The row.
        key: Key,
        /// Its new value.
        value: Value,
        /// The version that it must have.
        expected: u64,
    },
    /// `SELECT` of two rows on the primary, in one statement: both as of one
    /// moment.
    PrimaryReadPair([Key; 2]),
    /// Sets two different rows' values in one transaction.
    PrimaryWritePair([(Key, Value); 2]),
    /// A write plus a row in the outbox, in one transaction.
    PrimaryWriteOutbox {
        /// The row.
        key: Key,
        /// Its new value.
        value: Value,
    },
    /// A write that notifies the channel of invalidations when it commits.
    PrimaryWriteNotify {
        /// The row.
        key: Key,
        /// Its new value.
        value: Value,
    },
    /// Gives rows that are not there yet their first values, all in one
    /// transaction; those that are there stay as they are. No feed is told but
    /// the log's.
    PrimaryLoad(Vec<(Key, Value)>),
    /// What a store holds under each of many keys: their rows, or the entries
    /// of the cache.
    ReadMany {
        /// Which store.
        site: Site,
        /// The keys.
        keys: Vec<Key>,
    },
    /// Begins a feed: makes the slot, if it is not there, and forgets what
    /// waits in the feed. Commits that end after it are told.
    FeedOpen(Feed),
    /// The oldest changes of a feed that nobody acknowledged, at most `limit`.
    /// [`Feed::Notify`] waits up to `wait` for one to come and counts what it
    /// tells as acknowledged; the first call of a connection begins to listen.
    FeedPoll {
        /// Which.
        feed: Feed,
        /// The most changes.
        limit: u32,
        /// The longest wait.
        wait: Duration,
    },
    /// Acknowledges changes by their positions.
    FeedAck {
        /// Which.
        feed: Feed,
        /// Positions from the last poll.
        positions: Vec<u64>,
    },
    /// Ends a feed: drops the slot.
    FeedClose(Feed),
    /// The end of the primary's log: what a replica must have replayed to show
    /// every commit so far.
    PrimaryLsn,
    /// `SELECT` on the replica.
    ReplicaRead(Key),
    /// How far the replica has replayed.
    ReplicaLsn,
    /// `GET`.
    CacheGet(Item),
    /// `SET`, with an expiry.
    CacheSet {
        /// What.
        item: Item,
        /// Its new content.
        content: Content,
        /// How long it lives.
        ttl: Ttl,
    },
    /// `SET … NX`: only if there is nothing yet.
    CacheSetIfAbsent {
        /// What.
        item: Item,
        /// Its new content.
        content: Content,
        /// How long it lives.
        ttl: Ttl,
    },
    /// `DEL`.
    CacheDel(Item),
    /// `GET` on a connection with client tracking: the server will tell when
    /// the item changes.
    CacheGetTracked(Item),
    /// What the server told about tracked items since the last call; asks the
    /// server nothing.
    CacheInvalidations,
    /// `PUBLISH` on the channel of changes: whoever listens at this moment is
    /// told, once; nobody else ever is.
    CachePublish {
        /// What has changed.
        key: Key,
        /// The row it is now; without one only that it has changed.
        row: Option<Row>,
    },
    /// What was published since the last call. It asks the server nothing where
    /// the client listens already; else it begins to (`SUBSCRIBE`), and says
    /// [`Stale::All`].
    CacheHear,
    /// `PTTL`: how long an entry has left to live.
    CacheTtl(Item),
    /// A Lua script, which runs alone.
    CacheScript {
        /// Which.
        script: &'static Script,
        /// Its arguments.
        call: ScriptCall,
    },
    /// The client finds a row in its own memory, and asks nobody.
    Near {
        /// Which.
        key: Key,
        /// What it finds.
        row: Row,
    },
    /// The client waits.
    Sleep(Duration),
}

impl Request {
    /// The store it goes to.
    #[must_use]
    pub const fn site(&self) -> Site {
        match self {
            Self::PrimaryRead(_)
            | Self::PrimaryWrite { .. }
            | Self::PrimaryWriteIf { .. }
            | Self::PrimaryReadPair(_)
            | Self::PrimaryWritePair(_)
            | Self::PrimaryWriteOutbox { .. }
            | Self::PrimaryWriteNotify { .. }
            | Self::PrimaryLoad(_)
            | Self::FeedOpen(_)
            | Self::FeedPoll { .. }
            | Self::FeedAck { .. }
            | Self::FeedClose(_)
            | Self::PrimaryLsn => Site::Primary,
            Self::ReplicaRead(_) | Self::ReplicaLsn => Site::Replica,
            Self::CacheGet(_)
            | Self::CacheSet { .. }
            | Self::CacheSetIfAbsent { .. }
            | Self::CacheDel(_)
            | Self::CacheTtl(_)
            | Self::CacheGetTracked(_)
            | Self::CacheInvalidations
            | Self::CachePublish { .. }
            | Self::CacheHear
            | Self::CacheScript { .. } => Site::Cache,
            Self::ReadMany { site, .. } => *site,
            Self::Near { .. } | Self::Sleep(_) => Site::Client,
        }
    }

    /// Its name in timelines and in `.race` files.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::PrimaryRead(_) | Self::PrimaryReadPair(_) | Self::ReplicaRead(_) => "SELECT",
            Self::PrimaryWrite { .. }
            | Self::PrimaryWriteIf { .. }
            | Self::PrimaryWritePair(_)
            | Self::PrimaryWriteOutbox { .. }
            | Self::PrimaryWriteNotify { .. }
            | Self::PrimaryLoad(_) => "UPDATE",
            Self::ReadMany { site: Site::Cache, .. } => "GET",
            Self::ReadMany { .. } => "SELECT",
            Self::PrimaryLsn | Self::ReplicaLsn => "LSN",
            Self::FeedOpen(_) => "OPEN",
            Self::FeedPoll { .. } => "POLL",
            Self::FeedAck { .. } => "ACK",
            Self::FeedClose(_) => "CLOSE",
            Self::CacheGet(_) | Self::CacheGetTracked(_) => "GET",
            Self::CacheInvalidations => "INVALIDATIONS",
            Self::CachePublish { .. } => "PUBLISH",
            Self::CacheHear => "HEAR",
            Self::CacheSet { .. } => "SET",
            Self::CacheSetIfAbsent { .. } => "SETNX",
            Self::CacheDel(_) => "DEL",
            Self::CacheTtl(_) => "PTTL",
            Self::CacheScript { script, .. } => script.verb,
            Self::Near { .. } => "NEAR",
            Self::Sleep(_) => "SLEEP",
        }
    }

    /// What it reads or changes; of two rows the first.
    #[must_use]
    pub fn object(&self) -> Option<Object> {
        match self {
            Self::PrimaryRead(key)
            | Self::PrimaryReadPair([key, _])
            | Self::PrimaryWritePair([(key, _), _])
            | Self::ReplicaRead(key)
            | Self::Near { key, .. } => Some(Object::of(*key)),
            Self::PrimaryWrite { key, .. }
            | Self::PrimaryWriteIf { key, .. }
            | Self::PrimaryWriteOutbox { key, .. }
            | Self::PrimaryWriteNotify { key, .. }
            | Self::CachePublish { key, .. } => Some(Object::of(*key)),
            Self::CacheSet { item, .. }
            | Self::CacheSetIfAbsent { item, .. }
            | Self::CacheGet(item)
            | Self::CacheGetTracked(item)
            | Self::CacheDel(item)
            | Self::CacheTtl(item) => Some((*item).into()),
            Self::CacheScript { call, .. } => call.items.first().map(|item| (*item).into()),
            Self::PrimaryLoad(_)
            | Self::ReadMany { .. }
            | Self::PrimaryLsn
            | Self::ReplicaLsn
            | Self::FeedOpen(_)
            | Self::FeedPoll { .. }
            | Self::FeedAck { .. }
            | Self::FeedClose(_)
            | Self::CacheInvalidations
            | Self::CacheHear
            | Self::Sleep(_) => None,
        }
    }

    /// The second row, and what is stored in it, of a call about two.
    #[must_use]
    pub fn second(&self) -> Option<(Object, Option<Content>)> {
        match self {
            Self::PrimaryReadPair([_, key]) => Some((Object::of(*key), None)),
            Self::PrimaryWritePair([_, (key, value)]) => {
                let row = Content::Row { value: value.clone(), version: 0 };
                Some((Object::of(*key), Some(row)))
            }
            _ => None,
        }
    }

    /// What it stores. A row that the primary has not numbered yet has
    /// version 0 here.
    #[must_use]
    pub fn argument(&self) -> Option<Content> {
        match self {
            Self::PrimaryWrite { value, .. }
            | Self::PrimaryWriteIf { value, .. }
            | Self::PrimaryWritePair([(_, value), _])
            | Self::PrimaryWriteOutbox { value, .. }
            | Self::PrimaryWriteNotify { value, .. } => {
                Some(Content::Row { value: value.clone(), version: 0 })
            }
            Self::CacheSet { content, .. } | Self::CacheSetIfAbsent { content, .. } => {
                Some(content.clone())
            }
            Self::CacheScript { call, .. } => call.content.clone(),
            Self::CachePublish { row, .. } => row.clone().map(Content::from),
            _ => None,
        }
    }

    /// Whether it only looks at what the client has been told.
    #[must_use]
    pub const fn listens(&self) -> bool {
        matches!(self, Self::CacheInvalidations | Self::CacheHear)
    }

    /// Whether it can make a value visible to other clients. An operation with
    /// such a step behind it can no longer have "surely had no effect".
    #[must_use]
    pub fn publishes(&self) -> bool {
        matches!(self.argument(), Some(Content::Row { .. }))
    }
}

/// What a store answered.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Response {
    /// The row, if there is one, and where the store's log stood.
    Row {
        /// The row.
        row: Option<Row>,
        /// The replica's replay position; none from the primary.
        lsn: Option<Lsn>,
    },
    /// The row has this version now.
    Written {
        /// Given by the primary.
        version: u64,
        /// The primary's insert position when the row was written, before its
        /// commit record: evidence, not a fence.
        lsn: Option<Lsn>,
        /// The primary's timeline, counted from 1: numbers of an older one may
        /// be given again.
        timeline: u32,
    },
    /// Two rows, as of one moment.
    Pair([Option<Row>; 2]),
    /// Two rows have these versions now.
    WrittenPair {
        /// Given by the primary, in the order of the request.
        versions: [u64; 2],
        /// As in [`Response::Written`].
        lsn: Option<Lsn>,
        /// As in [`Response::Written`].
        timeline: u32,
    },
    /// These rows were not there and have their first values now, at version 1.
    Loaded {
        /// Which, in any order.
        keys: Vec<Key>,
        /// As in [`Response::Written`]; none if there are no such rows.
        lsn: Option<Lsn>,
        /// As in [`Response::Written`].
        timeline: u32,
    },
    /// What is under each key that was asked for, in their order.
    Contents(Vec<Option<Content>>),
    /// The condition was false and nothing changed.
    Refused,
    /// A log position.
    Lsn(Lsn),
    /// What the cache holds; none is a miss.
    Content(Option<Content>),
    /// How long an entry lives; none if there is no entry, `Some(None)` if it
    /// lives for ever.
    Expiry(Option<Ttl>),
    /// What a feed tells, oldest first.
    Changes(Vec<FeedChange>),
    /// What the client was told, by tracking or on the channel of changes.
    Invalidated(Vec<Stale>),
    /// Done.
    Done,
}
