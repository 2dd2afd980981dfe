use std::sync::Arc;

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, FILL_PRIMARY, ON_CACHE_ERROR, ON_LOST_INVALIDATION, TTL};

/// Deletes the entry *before* the update, so that a crash between the two
/// leaves no stale entry.
///
/// Guarantees convergence after the entry's time to live, no more: a read
/// between the delete and the commit puts the old row back, with no fault and
/// no lag at all.
#[derive(Clone, Copy, Debug)]
pub struct DeleteBeforeWrite(pub Aside);

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "delete-before-write",
    summary: "write: delete the entry, then update the primary; read: the cache, a miss fills it",
    source: file!(),
    options: &[FILL_PRIMARY, TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION],
    build: |options| Ok(Arc::new(DeleteBeforeWrite(Aside::from_options(options)?))),
};

impl Strategy for DeleteBeforeWrite {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        self.0.invalidate(session, key).await?;
        session.primary().write(key, value).await
    }
}
