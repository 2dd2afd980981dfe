use std::sync::Arc;

use quarrel_checkers::{Content, Key, Value};
use quarrel_harness::{
    stores::{Item, Row, Stale, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS, OnCacheError};

/// Cache-aside, and a second cache in the client's own memory: Redis remembers
/// what each connection has read and tells it when that changes.
///
/// As `cache-aside`, plus a window between a change in Redis and the arrival of
/// its message, in which the near cache is stale; when the connection breaks,
/// everything near is dropped.
#[derive(Clone, Copy, Debug)]
pub struct ClientTracking(pub Aside);

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "client-tracking",
    summary: "cache-aside with a near cache in the client, kept by Redis tracking",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(ClientTracking(Aside::from_options(options)?))),
};

impl Strategy for ClientTracking {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        for stale in session.cache().invalidations().await? {
            match stale {
                Stale::Key(key) | Stale::Replaced(key, _) => session.memory.drop_kept(key),
                Stale::All => session.memory.drop_all_kept(),
            }
        }
        if let Some(row) = session.near(key).await? {
            return Ok(Some(row));
        }
        match session.cache().get_tracked(Item::entry(key)).await {
            Ok(Some(Content::Row { value, version })) => {
                let row = Row { value, version };
                session.memory.keep(key, row.clone());
                return Ok(Some(row));
            }
            Ok(_) => {}
            Err(error) if self.0.on_cache_error == OnCacheError::Fail => return Err(error),
            Err(_) => return self.0.fill.read(session, key).await,
        }
        // Filled for all; kept near only when it was read from Redis, as only
        // then does the server know whom to tell.
        let row = self.0.fill.read(session, key).await?;
        if let Some(row) = row.clone() {
            drop(session.cache().set_row(key, row, Some(self.0.ttl)).await);
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
        session.memory.drop_kept(key);
        self.0.invalidate(session, key).await?;
        Ok(version)
    }
}
