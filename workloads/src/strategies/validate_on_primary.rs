use std::sync::Arc;

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS, OnCacheError};

/// Every read asks the primary whether the cached entry is still the newest.
///
/// Guarantees linearizability, as the primary decides every read: a control
/// that must be acquitted. It spares the primary nothing but the transfer of
/// the row, which is why nobody does it. What breaks it is a version used
/// twice, as after a failover that lost writes.
#[derive(Clone, Copy, Debug)]
pub struct ValidateOnPrimary(pub Aside);

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "validate-on-primary",
    summary: "read: the cache, then the primary's version of it; an equal one is served from the cache",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(ValidateOnPrimary(Aside::from_options(options)?))),
};

impl Strategy for ValidateOnPrimary {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let cached = match session.cache().get_row(key).await {
            Ok(cached) => cached,
            Err(error) if self.0.on_cache_error == OnCacheError::Fail => return Err(error),
            Err(_) => None,
        };
        let newest = session.primary().read(key).await?;
        match (cached, newest) {
            (Some(cached), Some(newest)) if cached.version == newest.version => Ok(Some(cached)),
            (_, newest) => {
                if let Some(row) = newest.clone() {
                    drop(session.cache().set_row(key, row, Some(self.0.ttl)).await);
                }
                Ok(newest)
            }
        }
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value).await?;
        self.0.invalidate(session, key).await?;
        Ok(version)
    }
}
