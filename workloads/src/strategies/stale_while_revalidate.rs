use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Content, Invalidation, Key, Value};
use quarrel_harness::{
    stores::{Item, Row, StoreError},
    strategy::{Job, OptionSpec, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, FILL, Fill, ON_CACHE_ERROR, OnCacheError, TTL, Unheard};

/// Writes do not touch the cache. An entry has a soft and a hard life: past
/// the soft one it is still served, and refreshed behind the reader's back.
///
/// Guarantees a bound: nothing older than the hard life plus the lag of the
/// source, and for a key that is read all the time about the soft life. Stale
/// by design in between. A refresh that dies with its client leaves the old
/// entry to the next reader.
#[derive(Clone, Copy, Debug)]
pub struct StaleWhileRevalidate {
    /// How it reads; its time to live is the hard life.
    pub aside: Aside,
    /// How long an entry counts as fresh.
    pub soft: Duration,
}

const SOFT: OptionSpec = OptionSpec {
    name: "soft-ttl",
    default: "1s",
    help: "how long an entry counts as fresh; past it, it is served and refreshed",
};

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "stale-while-revalidate",
    summary: "an entry past its soft life is served once more and refreshed in the background",
    source: file!(),
    options: &[FILL, SOFT, TTL, ON_CACHE_ERROR],
    build: |options| {
        let ttl = options.duration("ttl")?;
        let soft = options.duration("soft-ttl")?;
        let (fill, on_cache_error) =
            (Fill::from_options(options)?, OnCacheError::from_options(options)?);
        let aside = Aside { fill, ttl, on_cache_error, unheard: Unheard::Swallow };
        Ok(Arc::new(StaleWhileRevalidate { aside, soft }))
    },
};

impl Strategy for StaleWhileRevalidate {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let row = self.aside.read(session, key).await?;
        if let Ok(Some(Some(left))) = session.cache().ttl(Item::entry(key)).await
            && self.aside.ttl.saturating_sub(left) > self.soft
        {
            // One refresh at a time; the lock expires by itself.
            let lock = Item::named("refresh", key);
            let life = Some(self.soft.max(Duration::from_millis(1)));
            if let Ok(true) = session.cache().set_if_absent(lock, Content::Marker, life).await {
                session.later(Duration::ZERO, "refresh", key, None);
            }
        }
        Ok(row)
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        session.primary().write(key, value).await
    }
    async fn work(&self, session: &mut Session, job: Job) -> Result<(), StoreError> {
        let row = self.aside.fill.read(session, job.key).await?;
        if let Some(row) = row {
            session.cache().set_row(job.key, row, Some(self.aside.ttl)).await?;
        }
        session.cache().del(Item::named("refresh", job.key)).await
    }

    fn invalidation(&self) -> Invalidation {
        Invalidation::ByExpiry
    }
}
