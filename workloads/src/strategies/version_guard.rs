use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Content, Key, Value};
use quarrel_harness::{
    stores::{Item, Request, Row, ScriptCall, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::{
    aside::{Aside, OPTIONS, OnCacheError},
    scripts::COMPARE_AND_SET,
};

/// Write-through with a compare-and-set on the version, in a script: neither a
/// slower writer nor an old fill replaces a newer entry.
///
/// Guarantees that the entry's version never goes back while the entry lives.
/// What breaks it: a set that did not arrive leaves the older entry until its
/// time to live is over, and once the entry is gone (expired, evicted, lost)
/// nothing guards against an old row from a lagging replica.
#[derive(Clone, Copy, Debug)]
pub struct VersionGuard(pub Aside);

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "version-guard",
    summary: "write: update, then set the entry unless it is newer; a miss fills the same way",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(VersionGuard(Aside::from_options(options)?))),
};

/// Stores `content` as the entry of `key` unless the entry is newer.
pub(super) fn compare_and_set(key: Key, content: Content, ttl: Duration) -> Request {
    let mut call = ScriptCall::on([Item::entry(key)]);
    call.content = Some(content);
    call.ttl = Some(ttl);
    Request::CacheScript { script: &COMPARE_AND_SET, call }
}

impl Strategy for VersionGuard {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        match session.cache().get_row(key).await {
            Ok(Some(row)) => return Ok(Some(row)),
            Ok(None) => {}
            Err(error) if self.0.on_cache_error == OnCacheError::Fail => return Err(error),
            Err(_) => return self.0.fill.read(session, key).await,
        }
        let row = self.0.fill.read(session, key).await?;
        if let Some(row) = row.clone() {
            drop(session.call(compare_and_set(key, row.into(), self.0.ttl)).await);
        }
        Ok(row)
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value.clone()).await?;
        let row = Row { value, version };
        self.0.tell(session, compare_and_set(key, row.into(), self.0.ttl)).await?;
        Ok(version)
    }
}
