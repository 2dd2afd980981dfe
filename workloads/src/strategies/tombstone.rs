use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Content, Key, Value};
use quarrel_harness::{
    stores::{Item, Row, StoreError},
    strategy::{OptionSpec, Session, Strategy, StrategyEntry},
};

use super::{
    aside::{Aside, FILL, Fill, ON_CACHE_ERROR, ON_LOST_INVALIDATION, OnCacheError, TTL},
    version_guard::compare_and_set,
};

/// A write leaves the version that it made in place of the entry. A read that
/// finds the tombstone takes the replica's row only if it is not older, else
/// the primary's; fills are compared by version.
///
/// Guarantees that no row older than the tombstone is served or cached while
/// the tombstone lives, whatever the lag and however slow the reader. What
/// breaks it: a lag longer than the tombstone's life, a tombstone that did not
/// arrive or was lost with the cache.
#[derive(Clone, Copy, Debug)]
pub struct Tombstone {
    /// How it reads.
    pub aside: Aside,
    /// How long a tombstone lives.
    pub life: Duration,
}

/// How long a tombstone lives.
pub(super) const LIFE: OptionSpec = OptionSpec {
    name: "tombstone",
    default: "10s",
    help: "how long a tombstone lives; make it longer than any lag",
};

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "tombstone",
    summary: "write: update, leave a tombstone with the version; a read behind it goes to the primary",
    source: file!(),
    options: &[FILL, TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, LIFE],
    build: |options| {
        let aside = Aside::from_options(options)?;
        Ok(Arc::new(Tombstone { aside, life: options.duration("tombstone")? }))
    },
};

impl Strategy for Tombstone {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let buried = match session.cache().get(Item::entry(key)).await {
            Ok(Some(Content::Row { value, version })) => return Ok(Some(Row { value, version })),
            Ok(Some(Content::Tombstone(version))) => version,
            Ok(_) => 0,
            Err(error) if self.aside.on_cache_error == OnCacheError::Fail => return Err(error),
            Err(_) => return self.aside.fill.read(session, key).await,
        };
        let mut row = self.aside.fill.read(session, key).await?;
        if row.as_ref().map_or(0, |row| row.version) < buried {
            row = Fill::Primary.read(session, key).await?;
        }
        if let Some(row) = row.clone() {
            drop(session.call(compare_and_set(key, row.into(), self.aside.ttl)).await);
        }
        Ok(row)
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value).await?;
        let tombstone = compare_and_set(key, Content::Tombstone(version), self.life);
        self.aside.tell(session, tombstone).await?;
        Ok(version)
    }
}
