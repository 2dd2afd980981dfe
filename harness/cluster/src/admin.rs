//! What is done to Postgres by SQL, over connections that no fault strikes.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Connection, Executor, Row as _,
    postgres::{PgConnectOptions, PgConnection, PgRow},
};
use tokio::time::{Instant, sleep, timeout};

use super::register;
use crate::stores::{CacheClient, Schema};

/// The longest anything here may take.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(5);

/// Whether a schema is there already, or is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A server of our own: its schema `public` is taken as it is.
    Us,
    /// Somebody's server: the schema must not be there yet.
    Somebody,
}

/// Makes quarrel's tables and the mark that says whose they are.
pub(super) async fn create_tables(
    options: &PgConnectOptions,
    schema: &Schema,
    owner: Owner,
) -> Result<(), sqlx::Error> {
    let mut connection = connect(options).await?;
    let make = match owner {
        Owner::Us => "CREATE SCHEMA IF NOT EXISTS",
        // A schema of this name that somebody else made is not ours to write to.
        Owner::Somebody => "CREATE SCHEMA",
    };
    let (mark, kv, outbox) =
        (schema.table(Schema::MARK), schema.table("kv"), schema.table("outbox"));
    // One message, hence one transaction: no table without its mark.
    let sql = format!(
        "SET LOCAL synchronous_commit = local; \
         {make} \"{schema}\"; \
         CREATE TABLE IF NOT EXISTS {mark} ({columns}); \
         INSERT INTO {mark} (run) VALUES ('{run}') ON CONFLICT DO NOTHING; \
         CREATE TABLE IF NOT EXISTS {kv} \
           (key bigint PRIMARY KEY, value text NOT NULL, version bigint NOT NULL); \
         CREATE TABLE IF NOT EXISTS {outbox} \
           (id bigserial PRIMARY KEY, key bigint NOT NULL, version bigint NOT NULL);",
        run = schema.run(),
        columns = register::COLUMNS
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    connection.close().await
}

pub(super) async fn pause_replay(replica: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = connect(replica).await?;
    connection.execute("SELECT pg_wal_replay_pause()").await?;
    // The pause is only a request until the state says so.
    until(&mut connection, "SELECT pg_get_wal_replay_pause_state()", "paused").await
}

pub(super) async fn resume_replay(replica: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = connect(replica).await?;
    connection.execute("SELECT pg_wal_replay_resume()").await?;
    Ok(())
}

/// Makes a replica a primary, and returns when it takes writes.
pub(super) async fn promote(replica: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = connect(replica).await?;
    connection.execute("SELECT pg_promote(true, 10)").await?;
    until(&mut connection, "SELECT pg_is_in_recovery()::text", "false").await
}

/// Sets `recovery_min_apply_delay`; a reload makes the replica take it.
pub(super) async fn apply_delay(
    replica: &PgConnectOptions,
    delay: Duration,
) -> Result<(), sqlx::Error> {
    let mut connection = connect(replica).await?;
    let millis = delay.as_millis();
    let sql = format!("ALTER SYSTEM SET recovery_min_apply_delay = {millis}");
    connection.execute(AssertSqlSafe(sql)).await?;
    connection.execute("SELECT pg_reload_conf()").await?;
    let shown = "SELECT setting FROM pg_settings WHERE name = 'recovery_min_apply_delay'";
    until(&mut connection, shown, &millis.to_string()).await
}

/// Waits, at most for `patience`, until the server accepts connections.
pub(super) async fn accepts(
    options: &PgConnectOptions,
    patience: Duration,
) -> Result<(), sqlx::Error> {
    let start = Instant::now();
    loop {
        match timeout(Duration::from_secs(1), connect(options)).await {
            Ok(Ok(connection)) => return connection.close().await,
            Ok(Err(error)) if start.elapsed() > patience => return Err(error),
            Err(_) if start.elapsed() > patience => return Err(timed_out(patience)),
            _ => sleep(POLL).await,
        }
    }
}

/// Waits until the replica has replayed all that the primary has on disk now:
/// at most for `patience` until it accepts, and then for as long as any control
/// may take. (`pg_stat_wal_receiver` says `streaming` before it has asked.)
pub(super) async fn streams(
    primary: &PgConnectOptions,
    replica: &PgConnectOptions,
    patience: Duration,
) -> Result<(), sqlx::Error> {
    let mut connection = connect(primary).await?;
    let written: String =
        scalar(&mut connection, "SELECT pg_current_wal_flush_lsn()::text").await?;
    connection.close().await?;
    accepts(replica, patience).await?;
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        // A postmaster may sleep through the request for a new receiver when
        // the last one has just died; a connection wakes it.
        if replays(replica, &written).await? {
            return Ok(());
        }
    }
    Err(timed_out(LIMIT))
}

/// Watches, over one connection for half a second, whether the replica has
/// replayed up to `written`.
async fn replays(replica: &PgConnectOptions, written: &str) -> Result<bool, sqlx::Error> {
    let sql = format!("SELECT coalesce(pg_last_wal_replay_lsn() >= '{written}'::pg_lsn, false)");
    let mut connection = connect(replica).await?;
    let start = Instant::now();
    let mut replayed = false;
    while !replayed && start.elapsed() < Duration::from_millis(500) {
        let ask = scalar(&mut connection, &sql);
        replayed = timeout(LIMIT, ask).await.map_err(|_| timed_out(LIMIT))??;
        if !replayed {
            sleep(POLL).await;
        }
    }
    connection.close().await?;
    Ok(replayed)
}

/// Whether a server replays another's log.
pub(super) async fn in_recovery(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut connection = connect(options).await?;
    let replays = scalar(&mut connection, "SELECT pg_is_in_recovery()").await?;
    connection.close().await?;
    Ok(replays)
}

/// Deletes every key that begins with `prefix`, a batch at a time, so that the
/// server can answer others in between.
pub(super) async fn drop_keys(client: &CacheClient, prefix: &str) -> Result<(), redis::RedisError> {
    let mut connection = client.connect().await?;
    let mut cursor = 0_u64;
    loop {
        let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("{prefix}*"))
            .arg("COUNT")
            .arg(1000)
            .query_async(&mut connection)
            .await?;
        if !keys.is_empty() {
            redis::cmd("UNLINK").arg(keys).query_async::<u64>(&mut connection).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

pub(super) async fn version(options: &PgConnectOptions) -> Result<String, sqlx::Error> {
    let mut connection = connect(options).await?;
    let version = scalar(&mut connection, "SHOW server_version").await?;
    connection.close().await?;
    Ok(version)
}

/// The timeline that a primary writes on: the first eight digits of the name
/// of its log file. What the control file says is older until a checkpoint.
pub(super) async fn timeline(primary: &PgConnectOptions) -> Result<u64, sqlx::Error> {
    let mut connection = connect(primary).await?;
    let sql = "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";
    let digits: String = scalar(&mut connection, sql).await?;
    connection.close().await?;
    u64::from_str_radix(&digits, 16).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Up to where a replica has received the log.
pub(super) async fn received(replica: &PgConnectOptions) -> Result<u64, sqlx::Error> {
    let mut connection = connect(replica).await?;
    let sql = "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint";
    let position: Option<i64> = scalar(&mut connection, sql).await?;
    connection.close().await?;
    Ok(position.and_then(|position| u64::try_from(position).ok()).unwrap_or(0))
}

/// The version that `INFO server` tells. Valkey also tells which Redis it can
/// stand for; that is not what runs.
fn version_told(info: &str) -> String {
    let told = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match (told("valkey_version:"), told("redis_version:")) {
        (Some(valkey), _) => format!("Valkey {valkey}"),
        (None, version) => version.unwrap_or("unknown").to_owned(),
    }
}

/// Redis's version, once it answers, for which it has `patience`.
pub(super) async fn cache_version(
    client: &CacheClient,
    patience: Duration,
) -> Result<String, redis::RedisError> {
    let start = Instant::now();
    loop {
        let answer = async {
            let mut connection = client.connect().await?;
            redis::cmd("INFO").arg("server").query_async::<String>(&mut connection).await
        };
        match answer.await {
            Ok(info) => {
                return Ok(version_told(&info));
            }
            Err(error) if start.elapsed() > patience => return Err(error),
            Err(_) => sleep(POLL).await,
        }
    }
}

/// The first row of what `sql` answers. Nothing is prepared: a pooler may
/// stand between, and the next statement may go to another server.
pub(super) async fn row(
    connection: &mut PgConnection,
    sql: &str,
) -> Result<Option<PgRow>, sqlx::Error> {
    connection.fetch_optional(sqlx::raw_sql(AssertSqlSafe(sql))).await
}

/// The one value that `sql` answers.
pub(super) async fn scalar<T>(connection: &mut PgConnection, sql: &str) -> Result<T, sqlx::Error>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row(connection, sql).await?.ok_or(sqlx::Error::RowNotFound)?.try_get(0)
}

pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    timeout(LIMIT, PgConnection::connect_with(options)).await.map_err(|_| timed_out(LIMIT))?
}

/// Waits until `sql`, which returns at most one text, returns `wanted`.
async fn until(
    connection: &mut PgConnection,
    sql: &'static str,
    wanted: &str,
) -> Result<(), sqlx::Error> {
    timeout(LIMIT, async {
        loop {
            let found = row(connection, sql).await?;
            let found: Option<String> = found.map(|row| row.try_get(0)).transpose()?;
            if found.as_deref() == Some(wanted) {
                return Ok(());
            }
            sleep(POLL).await;
        }
    })
    .await
    .map_err(|_| timed_out(LIMIT))?
}

pub(super) fn timed_out(limit: Duration) -> sqlx::Error {
    let why = format!("not within {} s", limit.as_secs());
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why))
}
