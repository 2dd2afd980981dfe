use std::sync::Arc;

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

/// No cache; reads go to the replica. A control that must be convicted as soon
/// as the replica lags.
#[derive(Clone, Copy, Debug)]
pub struct ReplicaOnly;

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "replica-only",
    summary: "writes the primary, reads the replica; the control that is as stale as the replica",
    source: file!(),
    options: &[],
    build: |_| Ok(Arc::new(ReplicaOnly)),
};

impl Strategy for ReplicaOnly {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        session.replica().read(key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        session.primary().write(key, value).await
    }
}
