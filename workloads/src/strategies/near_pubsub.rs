use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Request, Row, Stale, StoreError},
    strategy::{OptionSpec, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, FILL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, TTL};

/// Cache-aside, and a second cache in the client's own memory: whoever writes
/// publishes which key has changed, and every client listens.
///
/// As `cache-aside`, plus a window between a change and the arrival of its
/// message, in which the near cache is stale. What is published while a client
/// does not listen it never hears: if it keeps its copies over such a gap, they
/// are stale until they expire.
#[derive(Clone, Copy, Debug)]
pub struct NearPubsub {
    /// The cache that all share.
    pub aside: Aside,
    /// How long a copy lives.
    pub near_ttl: Duration,
    /// What is published.
    pub message: Published,
    /// What becomes of the copies when the client has not listened for a while.
    pub on_gap: OnGap,
}

/// What a writer publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// That the key has changed: clients drop their copies.
    Key,
    /// What the row is now: clients put it in place of their copies.
    Row,
}

/// What a client does with its copies when it learns that it has not been
/// listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGap {
    /// It keeps them, as most client libraries do: they connect again and say
    /// nothing.
    Keep,
    /// It drops them all.
    Drop,
}

const NEAR_TTL: OptionSpec =
    OptionSpec { name: "near-ttl", default: "3s", help: "how long a copy in a client lives" };
const MESSAGE: OptionSpec = OptionSpec {
    name: "message",
    default: "key",
    help: "what a writer publishes: key (clients drop their copies) or row (they replace them)",
};
const ON_GAP: OptionSpec = OptionSpec {
    name: "on-gap",
    default: "keep",
    help: "what becomes of the copies when the connection was gone: keep or drop",
};

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "near-pubsub",
    summary: "cache-aside with a near cache in the client, told by publish and subscribe",
    source: file!(),
    options: &[FILL, TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, NEAR_TTL, MESSAGE, ON_GAP],
    build: |options| {
        Ok(Arc::new(NearPubsub {
            aside: Aside::from_options(options)?,
            near_ttl: options.duration(NEAR_TTL.name)?,
            message: match options.choice(MESSAGE.name, &["key", "row"])? {
                0 => Published::Key,
                _ => Published::Row,
            },
            on_gap: match options.choice(ON_GAP.name, &["keep", "drop"])? {
                0 => OnGap::Keep,
                _ => OnGap::Drop,
            },
        }))
    },
};

impl NearPubsub {
    fn keep(&self, session: &mut Session, key: Key, row: Row) {
        let end = session.now() + self.near_ttl;
        session.memory.keep_until(key, row, end);
    }

    /// Takes in what was published. A client that cannot listen has a gap.
    async fn listen(&self, session: &mut Session) {
        let heard = session.cache().heard().await.unwrap_or_else(|_| vec![Stale::All]);
        for stale in heard {
            match stale {
                Stale::Key(key) => session.memory.drop_kept(key),
                Stale::Replaced(key, row) => self.keep(session, key, row),
                Stale::All if self.on_gap == OnGap::Drop => session.memory.drop_all_kept(),
                Stale::All => {}
            }
        }
    }
}

impl Strategy for NearPubsub {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.listen(session).await;
        if let Some(row) = session.near(key).await? {
            return Ok(Some(row));
        }
        let row = self.aside.read(session, key).await?;
        if let Some(row) = row.clone() {
            self.keep(session, key, row);
        }
        Ok(row)
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value.clone()).await?;
        session.memory.drop_kept(key);
        self.aside.invalidate(session, key).await?;
        let row = match self.message {
            Published::Key => None,
            Published::Row => Some(Row { value, version }),
        };
        self.aside.tell(session, Request::CachePublish { key, row }).await?;
        Ok(version)
    }
}
