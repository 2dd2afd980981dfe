//! Strategies with the mistakes that public reports tell of, as their
//! applications made them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use quarrel_checkers::{Content, Key, Site, Value};
use quarrel_harness::{
    race::Race,
    stores::{Item, Request, Row, ScriptCall, StoreError},
    strategy::{AnyStrategy, Options, Session, Strategy},
};
use quarrel_workloads::strategies::scripts::COMPARE_AND_SET;

const TTL: Option<Duration> = Some(Duration::from_secs(300));

/// The strategy of this name.
pub(crate) fn strategy(name: &str) -> Option<Arc<dyn AnyStrategy>> {
    Some(match name {
        "guarded-negative" => Arc::new(GuardedNegative::LEAVES_THE_ENTRY),
        "guarded-negative-told" => Arc::new(GuardedNegative::TELLS),
        "bulk-forgets" => Arc::new(BulkForgets),
        "check-constraint" => Arc::new(CheckConstraint),
        "two-tier" => Arc::new(TwoTier),
        "snapshot-fill" => Arc::new(SnapshotFill),
        _ => return None,
    })
}

/// Makes a strategy, one of these or of the catalogue, with its options as in a
/// race's first line.
pub(crate) fn made(line: &str) -> impl Fn() -> Arc<dyn AnyStrategy> {
    let race: Race = format!("strategy {line}\n").parse().unwrap();
    move || {
        strategy(&race.strategy).unwrap_or_else(|| {
            let catalogue = quarrel_workloads::catalogue();
            let entry = catalogue.strategy(&race.strategy).unwrap();
            let given: BTreeMap<_, _> = race.options.iter().cloned().collect();
            (entry.build)(&Options::resolve(entry.name, entry.options, &given).unwrap()).unwrap()
        })
    }
}

async fn read_aside(session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
    if let Some(row) = session.cache().get_row(key).await? {
        return Ok(Some(row));
    }
    let row = session.primary().read(key).await?;
    if let Some(row) = row.clone() {
        session.cache().set_row(key, row, TTL).await?;
    }
    Ok(row)
}

fn compare_and_set(key: Key, row: Row) -> Request {
    let mut call = ScriptCall::on([Item::entry(key)]);
    call.content = Some(row.into());
    call.ttl = TTL;
    Request::CacheScript { script: &COMPARE_AND_SET, call }
}

/// `version-guard` that also caches "there is none", and whose creating write
/// leaves the entry: there is nothing to invalidate, it believes.
#[derive(Clone, Copy)]
pub(crate) struct GuardedNegative {
    /// The first version that its writes tell the cache of.
    tells_from: u64,
}

impl GuardedNegative {
    pub(crate) const LEAVES_THE_ENTRY: Self = Self { tells_from: 2 };
    /// The control: a creation is a write like any other.
    pub(crate) const TELLS: Self = Self { tells_from: 1 };
}

impl Strategy for GuardedNegative {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        match session.cache().get(Item::entry(key)).await? {
            Some(Content::Row { value, version }) => return Ok(Some(Row { value, version })),
            Some(_) => return Ok(None),
            None => {}
        }
        let row = session.primary().read(key).await?;
        match row.clone() {
            Some(row) => drop(session.call(compare_and_set(key, row)).await?),
            None => {
                let item = Item::entry(key);
                session.cache().set_if_absent(item, Content::Marker, TTL).await?;
            }
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
        if version >= self.tells_from {
            session.call(compare_and_set(key, Row { value, version })).await?;
        }
        Ok(version)
    }
}

/// Writes that run no callbacks.
struct BulkForgets;

impl Strategy for BulkForgets {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        read_aside(session, key).await
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

/// The cache is set before the commit, which refuses the value `Bad`.
struct CheckConstraint;

impl Strategy for CheckConstraint {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        read_aside(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let old = session.primary().read(key).await?;
        let version = old.map_or(0, |row| row.version) + 1;
        session.cache().set_row(key, Row { value: value.clone(), version }, TTL).await?;
        if value == Value::from("Bad") {
            let why = "new row violates check constraint \"not_bad\"";
            return Err(StoreError::refused(Site::Primary, why));
        }
        session.primary().write(key, value).await
    }
}

/// Whoever misses fills the cache from a snapshot that was taken before it looked.
struct SnapshotFill;

impl Strategy for SnapshotFill {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let snapshot = session.primary().read(key).await?;
        if let Some(row) = session.cache().get_row(key).await? {
            return Ok(Some(row));
        }
        if let Some(row) = snapshot.clone() {
            session.cache().set_row(key, row, TTL).await?;
        }
        Ok(snapshot)
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

/// A cache in the process before Redis; other processes are not told.
struct TwoTier;

impl Strategy for TwoTier {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        if session.memory.kept(key).is_some() {
            return session.near(key).await;
        }
        let row = read_aside(session, key).await?;
        if let Some(row) = row.clone() {
            session.memory.keep(key, row);
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
        session.memory.drop_kept(key);
        session.cache().del(Item::entry(key)).await?;
        Ok(version)
    }
}
