use std::sync::Arc;

use quarrel_checkers::{Key, Site, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{OptionSpec, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, FILL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, TTL};

/// Cache-aside whose writes succeed only against the version that they read.
///
/// Guarantees that no write is based on a version that was not the newest: no
/// lost updates in the database. For the cache it guarantees nothing beyond
/// `cache-aside`: version numbers in the database do not reach the entry.
#[derive(Clone, Copy, Debug)]
pub struct OptimisticLock {
    /// How it reads and invalidates.
    pub aside: Aside,
    /// How often a write is tried against other writers.
    pub attempts: u64,
}

const ATTEMPTS: OptionSpec = OptionSpec {
    name: "attempts",
    default: "16",
    help: "how often a write is tried when other writers are faster",
};

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "optimistic-lock",
    summary: "write: read the version, update only if it is unchanged, else again; delete the entry",
    source: file!(),
    options: &[FILL, TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, ATTEMPTS],
    build: |options| {
        let aside = Aside::from_options(options)?;
        Ok(Arc::new(OptimisticLock { aside, attempts: options.number("attempts")? }))
    },
};

impl Strategy for OptimisticLock {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.aside.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        for _ in 0..self.attempts {
            let expected = session.primary().read(key).await?.map_or(0, |row| row.version);
            if let Some(version) = session.primary().write_if(key, value.clone(), expected).await? {
                self.aside.invalidate(session, key).await?;
                return Ok(version);
            }
        }
        let why = format!("{} other writers were faster", self.attempts);
        Err(StoreError::refused(Site::Primary, why))
    }

    async fn update(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
        base: u64,
    ) -> Result<Option<u64>, StoreError> {
        let updated = session.primary().write_if(key, value, base).await?;
        if updated.is_some() {
            self.aside.invalidate(session, key).await?;
        }
        Ok(updated)
    }
}
