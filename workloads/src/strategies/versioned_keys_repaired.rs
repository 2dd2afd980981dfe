use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Content, Key, Value};
use quarrel_harness::{
    stores::{Item, Request, Row, ScriptCall, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::{
    aside::{Aside, Fill, OPTIONS, OnCacheError},
    scripts::RAISE,
};

/// Versioned keys as they were meant: the version comes back from the update
/// itself, the pointer only ever moves up (a script), and a fill is stored
/// under the version of the row that it holds.
///
/// Guarantees that an entry is what its name says, and that a slower writer
/// or an old fill never hides a newer version while the pointer lives. What
/// breaks it: a write whose pointer did not arrive (stale until it does), and
/// a pointer that expired or was lost with the cache while the replica lags.
#[derive(Clone, Copy, Debug)]
pub struct VersionedKeysRepaired(pub Aside);

const POINTER: &str = "pointer";

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "versioned-keys-repaired",
    summary: "versioned keys with the version from the write itself, and a pointer that only moves up",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(VersionedKeysRepaired(Aside::from_options(options)?))),
};

fn raise(key: Key, version: u64, ttl: Duration) -> Request {
    let mut call = ScriptCall::on([Item::named(POINTER, key)]);
    call.number = Some(version);
    call.ttl = Some(ttl);
    Request::CacheScript { script: &RAISE, call }
}

impl VersionedKeysRepaired {
    /// Fills from the database; from the primary if the replica is known to be
    /// older than the pointer.
    async fn fill(
        &self,
        session: &mut Session,
        key: Key,
        pointer: u64,
    ) -> Result<Option<Row>, StoreError> {
        let mut row = self.0.fill.read(session, key).await?;
        if row.as_ref().map_or(0, |row| row.version) < pointer {
            row = Fill::Primary.read(session, key).await?;
        }
        if let Some(row) = row.clone() {
            let version = row.version;
            let entry = Item::versioned(key, version);
            if session.cache().set(entry, row.into(), Some(self.0.ttl)).await.is_ok() {
                // A pointer that is higher already refuses, and rightly so.
                drop(session.call(raise(key, version, self.0.ttl)).await);
            }
        }
        Ok(row)
    }
}

impl Strategy for VersionedKeysRepaired {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        match session.cache().get(Item::named(POINTER, key)).await {
            Ok(Some(Content::Number(pointer))) => {
                let entry = session.cache().get(Item::versioned(key, pointer)).await;
                if let Ok(Some(Content::Row { value, version })) = entry {
                    return Ok(Some(Row { value, version }));
                }
                self.fill(session, key, pointer).await
            }
            Ok(_) => self.fill(session, key, 0).await,
            Err(error) if self.0.on_cache_error == OnCacheError::Fail => Err(error),
            Err(_) => self.0.fill.read(session, key).await,
        }
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value.clone()).await?;
        let content = Content::Row { value, version };
        let (item, ttl) = (Item::versioned(key, version), Some(self.0.ttl));
        self.0.tell(session, Request::CacheSet { item, content, ttl }).await?;
        self.0.tell(session, raise(key, version, self.0.ttl)).await?;
        Ok(version)
    }
}
