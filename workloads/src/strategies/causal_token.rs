use std::sync::Arc;

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, FIXED_FILL_OPTIONS, Fill, OnCacheError};

/// A session remembers the newest version of each key that it wrote or read.
/// A cached entry counts as a hit only if it is not older; the replica's row
/// is taken only if it is not older; else the primary is asked.
///
/// Guarantees read-your-writes and monotonic reads for every session, under
/// every fault that leaves versions in order; staleness for others is bounded
/// by the entry's time to live only. It needs versions in the entries, and a
/// session that survives: a client that restarts begins anew. A failover that
/// uses versions twice breaks it.
#[derive(Clone, Copy, Debug)]
pub struct CausalToken(pub Aside);

const TOKEN: &str = "version";

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "causal-token",
    summary: "a session takes nothing older than what it has read or written, from whichever store",
    source: file!(),
    options: FIXED_FILL_OPTIONS,
    build: |options| Ok(Arc::new(CausalToken(Aside::filled_from(Fill::Replica, options)?))),
};

impl Strategy for CausalToken {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let token = session.memory.recall(TOKEN, key).unwrap_or(0);
        let cached = match session.cache().get_row(key).await {
            Ok(cached) => cached,
            Err(error) if self.0.on_cache_error == OnCacheError::Fail => return Err(error),
            Err(_) => None,
        };
        if let Some(row) = cached.filter(|row| row.version >= token) {
            session.memory.raise(TOKEN, key, row.version);
            return Ok(Some(row));
        }
        let mut row = session.replica().read(key).await?;
        if row.as_ref().map_or(0, |row| row.version) < token {
            row = session.primary().read(key).await?;
        }
        if let Some(row) = row.clone() {
            session.memory.raise(TOKEN, key, row.version);
            drop(session.cache().set_row(key, row, Some(self.0.ttl)).await);
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
        session.memory.raise(TOKEN, key, version);
        self.0.invalidate(session, key).await?;
        Ok(version)
    }
}
