use std::sync::Arc;

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

/// No cache at all: reads and writes go to the primary. A control that must be
/// acquitted under every fault.
#[derive(Clone, Copy, Debug)]
pub struct PrimaryOnly;

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "primary-only",
    summary: "reads and writes the primary; the control that is never stale",
    source: file!(),
    options: &[],
    build: |_| Ok(Arc::new(PrimaryOnly)),
};

impl Strategy for PrimaryOnly {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        session.primary().read(key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        session.primary().write(key, value).await
    }

    async fn read_pair(
        &self,
        session: &mut Session,
        keys: [Key; 2],
    ) -> Result<[Option<Row>; 2], StoreError> {
        session.primary().read_pair(keys).await
    }

    async fn write_pair(
        &self,
        session: &mut Session,
        writes: [(Key, Value); 2],
    ) -> Result<[u64; 2], StoreError> {
        session.primary().write_pair(writes).await
    }
}
