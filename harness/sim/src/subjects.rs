//! Small strategies of known strength for the tests of simulation, exploration
//! and races.

use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Content, Key, Site, Value};
use quarrel_strategy::{
    stores::{Item, Row, Stale, StoreError, Ttl},
    strategy::{AnyStrategy, Session, Strategy},
};

const TTL: Ttl = Some(Duration::from_secs(300));

/// Never goes wrong.
struct PrimaryOnly;

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
}

/// Answers no read, or acknowledges no write.
enum Silent {
    Reads,
    Writes,
}

impl Strategy for Silent {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let row = session.primary().read(key).await?;
        match self {
            Self::Reads => Err(StoreError::refused(Site::Primary, "no read is answered")),
            Self::Writes => Ok(row),
        }
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        match self {
            Self::Reads => session.primary().write(key, value).await,
            Self::Writes => Err(StoreError::refused(Site::Primary, "no write is accepted")),
        }
    }
}

/// Reads fail; writes go to the primary.
pub fn reads_fail() -> Arc<dyn AnyStrategy> {
    Arc::new(Silent::Reads)
}

/// Writes are refused.
pub fn writes_fail() -> Arc<dyn AnyStrategy> {
    Arc::new(Silent::Writes)
}

/// Where a miss reads.
#[derive(Clone, Copy)]
enum Fill {
    /// At the primary.
    Primary,
    /// At the replica.
    Replica,
}

/// Update, then delete; a miss fills the cache. Errors of the cache are
/// swallowed, as most applications do.
struct CacheAside(Fill);

impl Strategy for CacheAside {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        if let Ok(Some(row)) = session.cache().get_row(key).await {
            return Ok(Some(row));
        }
        let row = match self.0 {
            Fill::Primary => session.primary().read(key).await?,
            Fill::Replica => session.replica().read(key).await?,
        };
        if let Some(row) = &row {
            // A cache that cannot be filled is no reason to fail a read.
            let _ = session.cache().set_row(key, row.clone(), TTL).await;
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
        let _ = session.cache().del(Item::entry(key)).await;
        Ok(version)
    }
}

/// Sets the new row instead of deleting the old one.
struct WriteThrough;

impl Strategy for WriteThrough {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        Strategy::read(&CacheAside(Fill::Primary), session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value.clone()).await?;
        session.cache().set_row(key, Row { value, version }, TTL).await?;
        Ok(version)
    }
}

/// How clients that keep copies of their own are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    ByTracking,
    OnTheChannel,
}

/// Cache-aside without errors, and a copy in each client's memory. What it did
/// not hear it does not know: it goes on with what it keeps over a gap.
struct NearCache(Told);

impl NearCache {
    fn take_in(session: &mut Session, told: Vec<Stale>) {
        for stale in told {
            match stale {
                Stale::Key(key) => session.memory.drop_kept(key),
                Stale::Replaced(key, row) => session.memory.keep(key, row),
                Stale::All => {}
            }
        }
    }
}

impl Strategy for NearCache {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let told = match self.0 {
            Told::ByTracking => session.cache().invalidations().await?,
            Told::OnTheChannel => session.cache().heard().await?,
        };
        Self::take_in(session, told);
        if let Some(row) = session.near(key).await? {
            return Ok(Some(row));
        }
        let found = match self.0 {
            Told::ByTracking => match session.cache().get_tracked(Item::entry(key)).await? {
                Some(Content::Row { value, version }) => Some(Row { value, version }),
                _ => None,
            },
            Told::OnTheChannel => session.cache().get_row(key).await?,
        };
        if let Some(row) = found {
            session.memory.keep(key, row.clone());
            return Ok(Some(row));
        }
        session.primary().read(key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value).await?;
        session.cache().del(Item::entry(key)).await?;
        if self.0 == Told::OnTheChannel {
            session.cache().publish(key).await?;
        }
        Ok(version)
    }
}

/// Deletes twice, the second time a while after the first.
struct DoubleDelete;

impl Strategy for DoubleDelete {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        Strategy::read(&CacheAside(Fill::Replica), session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value).await?;
        session.cache().del(Item::entry(key)).await?;
        session.sleep(Duration::from_millis(500)).await?;
        session.cache().del(Item::entry(key)).await?;
        Ok(version)
    }
}

/// Reads and writes the primary: linearizable.
pub fn primary_only() -> Arc<dyn AnyStrategy> {
    Arc::new(PrimaryOnly)
}

/// Fills a miss from the replica.
pub fn cache_aside() -> Arc<dyn AnyStrategy> {
    Arc::new(CacheAside(Fill::Replica))
}

/// Fills a miss from the primary.
pub fn cache_aside_primary() -> Arc<dyn AnyStrategy> {
    Arc::new(CacheAside(Fill::Primary))
}

/// Writes the entry after the row.
pub fn write_through() -> Arc<dyn AnyStrategy> {
    Arc::new(WriteThrough)
}

/// Deletes the entry twice.
pub fn double_delete() -> Arc<dyn AnyStrategy> {
    Arc::new(DoubleDelete)
}

/// Copies in clients, told by client tracking.
pub fn near_by_tracking() -> Arc<dyn AnyStrategy> {
    Arc::new(NearCache(Told::ByTracking))
}

/// Copies in clients, told by what is published.
pub fn near_by_channel() -> Arc<dyn AnyStrategy> {
    Arc::new(NearCache(Told::OnTheChannel))
}
