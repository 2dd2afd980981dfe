use std::time::Duration;

use quarrel_checkers::{Content, Key, Lsn, Value};
use smallvec::SmallVec;

use super::Session;
use crate::stores::{
    Durability, Feed, FeedChange, Item, Request, Response, Row, Script, ScriptCall, Stale,
    StoreError, Ttl,
};

/// The Postgres that takes writes. Every call is a step.
///
/// Every method returns a [`StoreError`] when no answer came in time or the
/// answer was an error.
pub struct Primary<'a>(pub(super) &'a mut Session);

impl Primary<'_> {
    /// The row of `key`.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn read(self, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.call(Request::PrimaryRead(key)).await.map(row)
    }

    /// Sets the row's value; its new version. Creates the row if need be.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn write(self, key: Key, value: Value) -> Result<u64, StoreError> {
        self.write_with(key, value, Durability::Local).await
    }

    /// The same, acknowledged only as `durability` says.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn write_with(
        self,
        key: Key,
        value: Value,
        durability: Durability,
    ) -> Result<u64, StoreError> {
        self.0.call(Request::PrimaryWrite { key, value, durability }).await.map(version)
    }

    /// Sets the row's value if its version is `expected` (0 is "absent"); its
    /// new version, or none if somebody else was faster.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn write_if(
        self,
        key: Key,
        value: Value,
        expected: u64,
    ) -> Result<Option<u64>, StoreError> {
        match self.0.call(Request::PrimaryWriteIf { key, value, expected }).await? {
            Response::Refused => Ok(None),
            other => Ok(Some(version(other))),
        }
    }

    /// Two rows, in one statement: both as of one moment.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn read_pair(self, keys: [Key; 2]) -> Result<[Option<Row>; 2], StoreError> {
        match self.0.call(Request::PrimaryReadPair(keys)).await? {
            Response::Pair(rows) => Ok(rows),
            other => unreachable!("{other:?} does not answer a SELECT of two rows"),
        }
    }

    /// Sets two different rows' values in one transaction; their new versions.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn write_pair(self, writes: [(Key, Value); 2]) -> Result<[u64; 2], StoreError> {
        match self.0.call(Request::PrimaryWritePair(writes)).await? {
            Response::WrittenPair { versions, .. } => Ok(versions),
            other => unreachable!("{other:?} does not answer a write of two rows"),
        }
    }

    /// A write and an outbox row, in one transaction.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn write_outbox(self, key: Key, value: Value) -> Result<u64, StoreError> {
        self.0.call(Request::PrimaryWriteOutbox { key, value }).await.map(version)
    }

    /// A write that notifies the channel of invalidations when it commits.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn write_notify(self, key: Key, value: Value) -> Result<u64, StoreError> {
        self.0.call(Request::PrimaryWriteNotify { key, value }).await.map(version)
    }

    /// Begins a feed, forgetting what waits in it.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn feed_open(self, feed: Feed) -> Result<(), StoreError> {
        self.0.call(Request::FeedOpen(feed)).await.map(drop)
    }

    /// The oldest changes of a feed that nobody acknowledged, at most `limit`;
    /// a feed that is pushed waits up to `wait` for one.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn feed_poll(
        self,
        feed: Feed,
        limit: u32,
        wait: Duration,
    ) -> Result<Vec<FeedChange>, StoreError> {
        match self.0.call(Request::FeedPoll { feed, limit, wait }).await? {
            Response::Changes(changes) => Ok(changes),
            other => unreachable!("{other:?} does not answer a poll of a feed"),
        }
    }

    /// Acknowledges changes, which the feed then forgets.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn feed_ack(self, feed: Feed, changes: &[FeedChange]) -> Result<(), StoreError> {
        let positions = changes.iter().map(|change| change.position).collect();
        self.0.call(Request::FeedAck { feed, positions }).await.map(drop)
    }

    /// Ends a feed.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn feed_close(self, feed: Feed) -> Result<(), StoreError> {
        self.0.call(Request::FeedClose(feed)).await.map(drop)
    }

    /// What a replica must have replayed to show every commit so far.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn lsn(self) -> Result<Lsn, StoreError> {
        self.0.call(Request::PrimaryLsn).await.map(lsn)
    }
}

/// The Postgres that replays the primary's log. Every call is a step.
///
/// Every method returns a [`StoreError`] when no answer came in time or the
/// answer was an error.
pub struct Replica<'a>(pub(super) &'a mut Session);

impl Replica<'_> {
    /// The row of `key`, as far as the replica has got.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn read(self, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.call(Request::ReplicaRead(key)).await.map(row)
    }

    /// How far it has got.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn lsn(self) -> Result<Lsn, StoreError> {
        self.0.call(Request::ReplicaLsn).await.map(lsn)
    }
}

/// Redis. Every call is a step.
///
/// Every method returns a [`StoreError`] when no answer came in time or the
/// answer was an error.
pub struct Cache<'a>(pub(super) &'a mut Session);

impl Cache<'_> {
    /// What `item` holds; none is a miss.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn get(self, item: Item) -> Result<Option<Content>, StoreError> {
        self.0.call(Request::CacheGet(item)).await.map(content)
    }

    /// The row in the entry of `key`; none is a miss, or an entry that holds
    /// no row.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn get_row(self, key: Key) -> Result<Option<Row>, StoreError> {
        Ok(match self.get(Item::entry(key)).await? {
            Some(Content::Row { value, version }) => Some(Row { value, version }),
            _ => None,
        })
    }

    /// Stores.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn set(self, item: Item, content: Content, ttl: Ttl) -> Result<(), StoreError> {
        self.0.call(Request::CacheSet { item, content, ttl }).await.map(drop)
    }

    /// Stores a row as the entry of `key`.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn set_row(self, key: Key, row: Row, ttl: Ttl) -> Result<(), StoreError> {
        self.set(Item::entry(key), row.into(), ttl).await
    }

    /// Stores if there is nothing yet; whether it did.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn set_if_absent(
        self,
        item: Item,
        content: Content,
        ttl: Ttl,
    ) -> Result<bool, StoreError> {
        let request = Request::CacheSetIfAbsent { item, content, ttl };
        Ok(self.0.call(request).await? != Response::Refused)
    }

    /// Deletes.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn del(self, item: Item) -> Result<(), StoreError> {
        self.0.call(Request::CacheDel(item)).await.map(drop)
    }

    /// How long `item` has to live: none if it is not there, `Some(None)` if
    /// it lives for ever.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn ttl(self, item: Item) -> Result<Option<Option<Duration>>, StoreError> {
        match self.0.call(Request::CacheTtl(item)).await? {
            Response::Expiry(expiry) => Ok(expiry),
            other => unreachable!("{other:?} does not answer PTTL"),
        }
    }

    /// What `item` holds, on a connection that hears when it changes.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn get_tracked(self, item: Item) -> Result<Option<Content>, StoreError> {
        self.0.call(Request::CacheGetTracked(item)).await.map(content)
    }

    /// What the server told about tracked items since the last call.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn invalidations(self) -> Result<Vec<Stale>, StoreError> {
        match self.0.call(Request::CacheInvalidations).await? {
            Response::Invalidated(stale) => Ok(stale),
            other => unreachable!("{other:?} does not answer a question for invalidations"),
        }
    }

    /// Tells every client that listens ([`Cache::heard`]) that `key` has changed.
    /// Who does not listen at this moment is never told.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn publish(self, key: Key) -> Result<(), StoreError> {
        self.0.call(Request::CachePublish { key, row: None }).await.map(drop)
    }

    /// The same, with the row that it is now.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn publish_row(self, key: Key, row: Row) -> Result<(), StoreError> {
        self.0.call(Request::CachePublish { key, row: Some(row) }).await.map(drop)
    }

    /// What was published since the last call. Where the client does not listen
    /// yet, or its connection broke, it begins to, and is told
    /// [`Stale::All`]: what was said until then it will never hear.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn heard(self) -> Result<Vec<Stale>, StoreError> {
        match self.0.call(Request::CacheHear).await? {
            Response::Invalidated(stale) => Ok(stale),
            other => unreachable!("{other:?} does not answer what was heard"),
        }
    }

    /// Runs a script; what it returned, or none if it refused.
    #[expect(clippy::missing_errors_doc, reason = "said once, on the type")]
    pub async fn script(
        self,
        script: &'static Script,
        call: ScriptCall,
    ) -> Result<Option<Content>, StoreError> {
        Ok(match self.0.call(Request::CacheScript { script, call }).await? {
            Response::Content(content) => content,
            _ => None,
        })
    }
}

impl ScriptCall {
    /// A call on `items`.
    #[must_use]
    pub fn on(items: impl IntoIterator<Item = Item>) -> Self {
        Self { items: SmallVec::from_iter(items), ..Self::default() }
    }
}

fn row(response: Response) -> Option<Row> {
    match response {
        Response::Row { row, .. } => row,
        other => unreachable!("{other:?} does not answer a SELECT"),
    }
}

fn version(response: Response) -> u64 {
    match response {
        Response::Written { version, .. } => version,
        other => unreachable!("{other:?} does not answer a write"),
    }
}

fn lsn(response: Response) -> Lsn {
    match response {
        Response::Lsn(lsn) => lsn,
        other => unreachable!("{other:?} does not answer a question for a log position"),
    }
}

fn content(response: Response) -> Option<Content> {
    match response {
        Response::Content(content) => content,
        other => unreachable!("{other:?} does not answer a GET"),
    }
}
