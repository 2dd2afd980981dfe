use std::sync::Arc;

use quarrel_checkers::{Invalidation, Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS};

/// A write does not touch the cache: entries are as stale as they are old.
#[derive(Clone, Copy, Debug)]
pub struct TtlOnly(pub Aside);

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "ttl-only",
    summary: "write: update the primary; read: the cache, a miss fills it, entries expire",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(TtlOnly(Aside::from_options(options)?))),
};

impl Strategy for TtlOnly {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        session.primary().write(key, value).await
    }

    fn invalidation(&self) -> Invalidation {
        Invalidation::ByExpiry
    }
}
