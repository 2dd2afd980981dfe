//! The strategy: replace it by what your application does.

use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Item, Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

/// How long a cache entry lives.
const TTL: Duration = Duration::from_secs(3);

/// Replace this by what your application does: every call through the session
/// is recorded, can be held at a gate, and is a place where faults strike. A
/// call through a client library of your own becomes one by `session.step(…)`.
pub struct MyCache;

/// Its place in the catalogue.
pub const ENTRY: StrategyEntry = StrategyEntry {
    name: "my-cache",
    summary: "write: update the primary, delete the entry; read: the cache, a miss fills it",
    source: file!(),
    options: &[],
    build: |_| Ok(Arc::new(MyCache)),
};

impl Strategy for MyCache {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        if let Some(row) = session.cache().get_row(key).await? {
            return Ok(Some(row));
        }
        let row = session.replica().read(key).await?;
        if let Some(row) = row.clone() {
            session.cache().set_row(key, row, Some(TTL)).await?;
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
        session.cache().del(Item::entry(key)).await?;
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use quarrel_harness::{
        explore::{Bounds, report},
        strategy::AnyStrategy,
    };

    use super::*;

    /// The explorer tries every interleaving of a few operations while the
    /// replica is behind, and finds the refill of an old row. Once you have
    /// mended the strategy, turn this around: `assert!(found.finding.is_none())`.
    #[test]
    fn a_replica_that_is_behind_breaks_it() {
        let make = || -> Arc<dyn AnyStrategy> { Arc::new(MyCache) };
        let found = report(&make, ENTRY.name, &[], &Bounds::default()).unwrap();
        println!("{found}");
        assert!(found.finding.is_some());
    }
}
