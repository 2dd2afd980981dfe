use std::sync::Arc;

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, FIXED_FILL_OPTIONS, Fill, OnCacheError};

/// A session remembers where the primary's log ended after its write, and lets
/// the replica fill a miss only once that is replayed.
///
/// Guarantees that the *writer* never fills an old row, whatever the lag. As
/// with `session-flag`, a reader without the token fills one, and the writer
/// is served the hit. A lost token (the client restarted) and a fence taken
/// before the commit record would break even that.
#[derive(Clone, Copy, Debug)]
pub struct LsnFence(pub Aside);

const TOKEN: &str = "lsn";

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "lsn-fence",
    summary: "cache-aside; a session's miss reads the replica only if it has replayed the session's last write",
    source: file!(),
    options: FIXED_FILL_OPTIONS,
    build: |options| Ok(Arc::new(LsnFence(Aside::filled_from(Fill::Replica, options)?))),
};

impl Strategy for LsnFence {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        match session.cache().get_row(key).await {
            Ok(Some(row)) => return Ok(Some(row)),
            Ok(None) => {}
            Err(error) if self.0.on_cache_error == OnCacheError::Fail => return Err(error),
            Err(_) => {}
        }
        let fill = match session.memory.recall(TOKEN, key) {
            None => Fill::Replica,
            Some(token) if session.replica().lsn().await?.0 >= token => Fill::Replica,
            Some(_) => Fill::Primary,
        };
        let row = fill.read(session, key).await?;
        if let Some(row) = row.clone() {
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
        // Asked after the commit: a position from inside the statement lies before
        // the commit record, and a replica that has replayed so far may not show
        // the row yet.
        match session.primary().lsn().await {
            Ok(lsn) => session.memory.raise(TOKEN, key, lsn.0),
            // Beyond every position: the primary, until the next write says more.
            Err(_) => session.memory.raise(TOKEN, key, u64::MAX),
        }
        self.0.invalidate(session, key).await?;
        Ok(version)
    }
}
