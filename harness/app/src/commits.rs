//! In which order the primary committed what an application wrote.
//!
//! An application is told no versions. A logical slot of ours tells every
//! change of every table in commit order; a change that carries the token of a
//! value is the commit of that value. The user's schema gets nothing added.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use quarrel_checkers::Site;
use quarrel_checkers::{Key, Value};
use quarrel_cluster::stores::classify;
use quarrel_strategy::{record::Commit, stores::StoreError};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, Row as _,
    postgres::{PgConnectOptions, PgConnection},
};
use tokio::sync::Mutex;

use super::token::values_in;

const SLOT: &str = "quarrel_app";

/// To which key each value is written.
pub(super) type Announced = std::sync::Mutex<HashMap<Value, Key>>;

/// Follows the primary's commits.
pub(super) struct Commits {
    primary: PgConnectOptions,
    pub(super) announced: Arc<Announced>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    connection: Option<PgConnection>,
    versions: HashMap<Value, u64>,
    last: HashMap<Key, u64>,
    commits: Vec<Commit>,
}

impl Commits {
    /// Makes the slot: what is committed from now on will be told.
    pub(super) async fn follow(primary: PgConnectOptions) -> Result<Self, sqlx::Error> {
        let mut connection = PgConnection::connect_with(&primary).await?;
        let make = format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'test_decoding')");
        connection.execute(sqlx::raw_sql(AssertSqlSafe(make))).await?;
        let seen = Seen { connection: Some(connection), ..Seen::default() };
        Ok(Self { primary, announced: Arc::default(), seen: Mutex::new(seen) })
    }

    /// Takes the slot away, which would keep the primary's log for ever.
    pub(super) async fn end(&self) -> Result<(), sqlx::Error> {
        let drop = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
             WHERE slot_name = '{SLOT}'"
        );
        self.seen
            .lock()
            .await
            .connection(&self.primary)
            .await?
            .execute(sqlx::raw_sql(AssertSqlSafe(drop)))
            .await?;
        Ok(())
    }

    /// Says that `value` is going to be written to `key`, and to no other.
    pub(super) fn announce(&self, key: Key, value: Value) {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner).insert(value, key);
    }

    /// The version that the primary gave a value; none of one that is not
    /// committed.
    pub(super) async fn version(&self, value: &Value) -> Result<Option<u64>, StoreError> {
        let mut seen = self.seen.lock().await;
        if !seen.versions.contains_key(value) {
            seen.catch_up(&self.primary, &self.announced)
                .await
                .map_err(|error| classify(Site::Primary, &error))?;
        }
        Ok(seen.versions.get(value).copied())
    }

    /// Every commit so far.
    pub(super) async fn so_far(&self) -> Result<Vec<Commit>, sqlx::Error> {
        let mut seen = self.seen.lock().await;
        seen.catch_up(&self.primary, &self.announced).await?;
        Ok(seen.commits.clone())
    }
}

impl Seen {
    async fn connection(
        &mut self,
        primary: &PgConnectOptions,
    ) -> Result<&mut PgConnection, sqlx::Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => PgConnection::connect_with(primary).await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn catch_up(
        &mut self,
        primary: &PgConnectOptions,
        announced: &Announced,
    ) -> Result<(), sqlx::Error> {
        let ask = format!(
            "SELECT data FROM pg_logical_slot_get_changes('{SLOT}', NULL, NULL, \
             'include-xids', '0', 'skip-empty-xacts', '1')"
        );
        let connection = self.connection(primary).await?;
        let rows = match sqlx::query(AssertSqlSafe(ask)).fetch_all(connection).await {
            Ok(rows) => rows,
            Err(error) => {
                self.connection = None;
                return Err(error);
            }
        };
        for row in rows {
            let change: &str = row.try_get(0)?;
            if change.starts_with("table ") {
                self.take(change, announced);
            }
        }
        Ok(())
    }

    /// Gives the next version to a value that was not committed before: an
    /// update of other columns carries the same value again.
    fn take(&mut self, change: &str, announced: &Announced) {
        for value in values_in(change.as_bytes()) {
            let key = announced.lock().unwrap_or_else(PoisonError::into_inner).get(&value).copied();
            let Some(key) = key else { continue };
            if self.versions.contains_key(&value) {
                continue;
            }
            let last = self.last.entry(key).or_default();
            *last += 1;
            self.versions.insert(value.clone(), *last);
            self.commits.push(Commit { key, value, version: *last });
        }
    }
}
