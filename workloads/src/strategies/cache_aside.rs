use std::sync::Arc;

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS};

/// What most applications do: update the database, then delete the cache
/// entry; a read that misses fills the entry from the database.
#[derive(Clone, Copy, Debug)]
pub struct CacheAside(pub Aside);

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "cache-aside",
    summary: "write: update the primary, delete the entry; read: the cache, a miss fills it",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(CacheAside(Aside::from_options(options)?))),
};

impl Strategy for CacheAside {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value).await?;
        self.0.invalidate(session, key).await?;
        Ok(version)
    }

    /// Both rows in one transaction, then both entries.
    async fn write_pair(
        &self,
        session: &mut Session,
        writes: [(Key, Value); 2],
    ) -> Result<[u64; 2], StoreError> {
        let keys = [writes[0].0, writes[1].0];
        let versions = session.primary().write_pair(writes).await?;
        for key in keys {
            self.0.invalidate(session, key).await?;
        }
        Ok(versions)
    }
}
