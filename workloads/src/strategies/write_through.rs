use std::sync::Arc;

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS, Unheard};

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
        let attempts = match self.0.unheard {
            Unheard::Retry(more) => 1 + more,
            Unheard::Swallow | Unheard::Fail => 1,
        };
        let mut last = Ok(());
        for _ in 0..attempts {
            let row = Row { value: value.clone(), version };
            last = session.cache().set_row(key, row, Some(self.0.ttl)).await;
            if last.is_ok() {
                break;
            }
        }
        if self.0.unheard == Unheard::Fail {
            last?;
        }
        Ok(version)
    }
}
