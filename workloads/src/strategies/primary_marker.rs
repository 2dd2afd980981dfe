use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Content, Key, Value};
use quarrel_harness::{
    stores::{Item, Request, Row, StoreError},
    strategy::{OptionSpec, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, Fill, ON_CACHE_ERROR, ON_LOST_INVALIDATION, OnCacheError, TTL};

/// The write leaves a short-lived marker in the cache that sends everybody's
/// misses to the primary.
///
/// Guarantees what cache-aside with one database does, as long as the marker
/// outlives the lag and the cache keeps it. A lag longer than the marker, a
/// marker lost with the cache or evicted, and a reader that carries the old
/// row across the write (no lag needed) break it.
#[derive(Clone, Copy, Debug)]
pub struct PrimaryMarker {
    /// How it reads and invalidates.
    pub aside: Aside,
    /// How long the marker lives.
    pub marker: Duration,
}

const MARKER_SPACE: &str = "marker";

const MARKER: OptionSpec = OptionSpec {
    name: "marker",
    default: "1s",
    help: "how long after a write misses go to the primary; make it longer than any lag",
};

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "primary-marker",
    summary: "write: set a marker, update, delete; read: a miss goes to the primary while the marker lives",
    source: file!(),
    options: &[TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, MARKER],
    build: |options| {
        let aside = Aside::filled_from(Fill::Replica, options)?;
        Ok(Arc::new(PrimaryMarker { aside, marker: options.duration("marker")? }))
    },
};

impl Strategy for PrimaryMarker {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        match session.cache().get_row(key).await {
            Ok(Some(row)) => return Ok(Some(row)),
            Ok(None) => {}
            Err(error) if self.aside.on_cache_error == OnCacheError::Fail => return Err(error),
            // Nobody can say whether there is a marker.
            Err(_) => return session.primary().read(key).await,
        }
        let fill = match session.cache().get(Item::named(MARKER_SPACE, key)).await {
            Ok(None) => Fill::Replica,
            Ok(Some(_)) | Err(_) => Fill::Primary,
        };
        let row = fill.read(session, key).await?;
        if let Some(row) = row.clone() {
            drop(session.cache().set_row(key, row, Some(self.aside.ttl)).await);
        }
        Ok(row)
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let marker = Item::named(MARKER_SPACE, key);
        let (content, ttl) = (Content::Marker, Some(self.marker));
        self.aside.tell(session, Request::CacheSet { item: marker, content, ttl }).await?;
        let version = session.primary().write(key, value).await?;
        self.aside.invalidate(session, key).await?;
        Ok(version)
    }
}
