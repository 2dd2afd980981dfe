use std::sync::Arc;

use quarrel_checkers::{Content, Key, Value};
use quarrel_harness::{
    stores::{Item, Request, Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS, OnCacheError};

/// Entries under versioned keys and a pointer to the newest, exactly as the
/// article that started this project has it, flaws included:
///
/// - the version is asked for after the write, in a second query, so another
///   writer's may be returned: own value, other's number;
/// - the pointer is set without looking, so a slower writer moves it back;
/// - without a pointer, version 1 is assumed;
/// - a miss fills the pointer's version with whatever the replica holds.
///
/// Guarantees no more than `cache-aside`, with the stale entry now under the
/// newest version's name. `versioned-keys-repaired` is what was meant.
#[derive(Clone, Copy, Debug)]
pub struct VersionedKeys(pub Aside);

const POINTER: &str = "pointer";

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "versioned-keys",
    summary: "the article's: write: update, ask for the version, set k:vN and the pointer; read: pointer, k:vN",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(VersionedKeys(Aside::from_options(options)?))),
};

impl Strategy for VersionedKeys {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let pointer = match session.cache().get(Item::named(POINTER, key)).await {
            Ok(Some(Content::Number(version))) => version,
            Ok(_) => 1,
            Err(error) if self.0.on_cache_error == OnCacheError::Fail => return Err(error),
            Err(_) => return self.0.fill.read(session, key).await,
        };
        let entry = Item::versioned(key, pointer);
        if let Ok(Some(Content::Row { value, version })) = session.cache().get(entry).await {
            return Ok(Some(Row { value, version }));
        }
        let row = self.0.fill.read(session, key).await?;
        if let Some(row) = row.clone() {
            drop(session.cache().set(entry, row.into(), Some(self.0.ttl)).await);
        }
        Ok(row)
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let written = session.primary().write(key, value.clone()).await?;
        let asked = session.primary().read(key).await?.map_or(1, |row| row.version);
        // What is recorded in the entry is the value's true version, so that a
        // history tells which value was read; the application knows only `asked`.
        let content = Content::Row { value, version: written };
        let (item, ttl) = (Item::versioned(key, asked), Some(self.0.ttl));
        self.0.tell(session, Request::CacheSet { item, content, ttl }).await?;
        let (item, content) = (Item::named(POINTER, key), Content::Number(asked));
        self.0.tell(session, Request::CacheSet { item, content, ttl }).await?;
        Ok(written)
    }
}
