//! What happens to the stores themselves, past every client.

use redis::{aio::MultiplexedConnection, cmd};
use sqlx::{
    Connection as _, Executor as _,
    postgres::{PgConnectOptions, PgConnection},
};

use super::executor::Lost;
use quarrel_cluster::stores::{CacheClient, Endpoints};

/// The hand that reaches into the stores.
pub(super) struct Nature {
    cache: CacheClient,
    connection: Option<MultiplexedConnection>,
    replica: PgConnectOptions,
    /// What the cache had saved: entries, and what they held.
    saved: Option<Vec<(String, Option<Vec<u8>>)>>,
}

impl Nature {
    pub(super) fn new(direct: &Endpoints) -> Self {
        let (cache, replica) = (direct.cache.clone(), direct.replica.clone());
        Self { cache, connection: None, replica, saved: None }
    }

    /// Nothing is saved of the next row.
    pub(super) fn begin(&mut self) {
        self.saved = None;
    }

    pub(super) const fn has_saved(&self) -> bool {
        self.saved.is_some()
    }

    /// Takes entries away.
    pub(super) async fn forget(&mut self, entries: &[String]) -> Result<(), Lost> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut connection = self.connection().await?;
        let gone: Result<i64, _> = cmd("DEL").arg(entries).query_async(&mut connection).await;
        gone.map_err(broken)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Saves what entries hold.
    pub(super) async fn save(&mut self, entries: &[String]) -> Result<(), Lost> {
        let mut connection = self.connection().await?;
        let mut saved = Vec::new();
        for entry in entries {
            let dump = cmd("DUMP").arg(entry).query_async(&mut connection).await;
            saved.push((entry.clone(), dump.map_err(broken)?));
        }
        self.saved = Some(saved);
        self.connection = Some(connection);
        Ok(())
    }

    /// Brings back what was saved, and nothing else.
    pub(super) async fn come_back(&mut self, entries: &[String]) -> Result<(), Lost> {
        self.forget(entries).await?;
        let mut connection = self.connection().await?;
        for (entry, dump) in self.saved.take().unwrap_or_default() {
            let Some(dump) = dump else { continue };
            let restored: Result<String, _> =
                cmd("RESTORE").arg(entry).arg(0).arg(dump).query_async(&mut connection).await;
            restored.map_err(broken)?;
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// Has the replica replay nothing, or go on.
    pub(super) async fn replay(&self, replays: Replays) -> Result<(), Lost> {
        let told = |error: sqlx::Error| Lost::Broken(format!("the replica: {error}"));
        let mut connection = PgConnection::connect_with(&self.replica).await.map_err(told)?;
        let ask = match replays {
            Replays::Nothing => "SELECT pg_wal_replay_pause()",
            Replays::Everything => "SELECT pg_wal_replay_resume()",
        };
        connection.execute(ask).await.map_err(told)?;
        if replays == Replays::Everything {
            return Ok(());
        }
        loop {
            // It replays what it has begun, and says so only when it has stopped.
            let state: String = sqlx::query_scalar("SELECT pg_get_wal_replay_pause_state()")
                .fetch_one(&mut connection)
                .await
                .map_err(told)?;
            if state == "paused" {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    async fn connection(&mut self) -> Result<MultiplexedConnection, Lost> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.cache.connect().await.map_err(broken),
        }
    }
}

/// What the replica replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replays {
    Nothing,
    Everything,
}

fn broken(error: redis::RedisError) -> Lost {
    Lost::Broken(format!("the cache: {error}"))
}
