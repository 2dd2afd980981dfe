use std::sync::Arc;

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Durability, Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS};

/// Commits with `synchronous_commit = remote_apply`: the primary acknowledges
/// when the replica has applied the row, and only then is the entry deleted.
///
/// Removes the lag after an acknowledgement, at the price of waiting for the
/// replica: when the replica is gone, writes hang. It does not remove the
/// reader that carries an old row across the write, nor a lost delete; and
/// while the commit waits, the replica shows a row that the primary does not,
/// so a reader may fill the cache with a write that nobody acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct RemoteApply(pub Aside);

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "remote-apply",
    summary: "cache-aside; a write is acknowledged only when the replica shows it",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(RemoteApply(Aside::from_options(options)?))),
};

impl Strategy for RemoteApply {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let durability = Durability::RemoteApply;
        let version = session.primary().write_with(key, value, durability).await?;
        self.0.invalidate(session, key).await?;
        Ok(version)
    }
}
