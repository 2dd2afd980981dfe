use std::sync::Arc;

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Item, Request, Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS};

/// A write updates the database and then the cache entry.
#[derive(Clone, Copy, Debug)]
pub struct WriteThrough(pub Aside);

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "write-through",
    summary: "write: update the primary, then set the entry; read: the cache, a miss fills it",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(WriteThrough(Aside::from_options(options)?))),
};

impl Strategy for WriteThrough {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value.clone()).await?;
        let (item, content) = (Item::entry(key), Row { value, version }.into());
        let ttl = Some(self.0.ttl);
        self.0.tell(session, Request::CacheSet { item, content, ttl }).await?;
        Ok(version)
    }
}
