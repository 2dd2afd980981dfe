//! What is done to Postgres by SQL, over connections that no fault strikes.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Connection, Executor,
    postgres::{PgConnectOptions, PgConnection},
};
use tokio::time::{Instant, sleep, timeout};

/// The longest anything here may take.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(5);

/// Creates quarrel's tables in the schema of `options`, if they are not there.
pub(super) async fn create_tables(
    options: &PgConnectOptions,
    schema: &str,
) -> Result<(), sqlx::Error> {
    let mut connection = connect(options).await?;
    let sql = format!(
        "CREATE SCHEMA IF NOT EXISTS \"{schema}\"; \
         CREATE TABLE IF NOT EXISTS \"{schema}\".kv \
           (key bigint PRIMARY KEY, value text NOT NULL, version bigint NOT NULL); \
         CREATE TABLE IF NOT EXISTS \"{schema}\".outbox \
           (id bigserial PRIMARY KEY, key bigint NOT NULL, version bigint NOT NULL);"
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
    let written: String = sqlx::query_scalar("SELECT pg_current_wal_flush_lsn()::text")
        .fetch_one(&mut connection)
        .await?;
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
    let sql = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false)";
    let mut connection = connect(replica).await?;
    let start = Instant::now();
    let mut replayed = false;
    while !replayed && start.elapsed() < Duration::from_millis(500) {
        let ask = sqlx::query_scalar(sql).bind(written).fetch_one(&mut connection);
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
    let replays = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(&mut connection);
    let replays = replays.await?;
    connection.close().await?;
    Ok(replays)
}

/// Waits until a schema made on the primary is on the replica.
pub(super) async fn sees_schema(
    replica: &PgConnectOptions,
    schema: &str,
    patience: Duration,
) -> Result<(), sqlx::Error> {
    let mut connection = connect(replica).await?;
    let start = Instant::now();
    loop {
        let found: bool = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL")
            .bind(schema)
            .fetch_one(&mut connection)
            .await?;
        if found {
            return connection.close().await;
        }
        if start.elapsed() > patience {
            return Err(timed_out(patience));
        }
        sleep(POLL).await;
    }
}

/// Drops a schema with all that is in it, and the replication slot of its feed
/// of changes, which would keep the primary's log for ever.
pub(super) async fn drop_schema(
    options: &PgConnectOptions,
    schema: &str,
) -> Result<(), sqlx::Error> {
    let mut connection = connect(options).await?;
    let slots = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
                 WHERE slot_name = 'quarrel_' || $1 AND NOT active";
    sqlx::query(slots).bind(schema).execute(&mut connection).await?;
    let sql = format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE");
    connection.execute(AssertSqlSafe(sql)).await?;
    connection.close().await
}

/// Deletes every key that begins with `prefix`, a batch at a time, so that the
/// server can answer others in between.
pub(super) async fn drop_keys(
    client: &redis::Client,
    prefix: &str,
) -> Result<(), redis::RedisError> {
    let mut connection = client.get_multiplexed_async_connection().await?;
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
    let version = sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(version)
}

/// The timeline that a primary writes on: the first eight digits of the name
/// of its log file. What the control file says is older until a checkpoint.
pub(super) async fn timeline(primary: &PgConnectOptions) -> Result<u64, sqlx::Error> {
    let mut connection = connect(primary).await?;
    let sql = "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";
    let digits: String = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
    connection.close().await?;
    u64::from_str_radix(&digits, 16).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Up to where a replica has received the log.
pub(super) async fn received(replica: &PgConnectOptions) -> Result<u64, sqlx::Error> {
    let mut connection = connect(replica).await?;
    let sql = "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint";
    let position: Option<i64> = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(position.and_then(|position| u64::try_from(position).ok()).unwrap_or(0))
}

/// Redis's version, once it answers, for which it has `patience`.
pub(super) async fn cache_version(
    client: &redis::Client,
    patience: Duration,
) -> Result<String, redis::RedisError> {
    let start = Instant::now();
    loop {
        let answer = async {
            let mut connection = client.get_multiplexed_async_connection().await?;
            redis::cmd("INFO").arg("server").query_async::<String>(&mut connection).await
        };
        match answer.await {
            Ok(info) => {
                let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
                return Ok(version.unwrap_or("unknown").trim().to_owned());
            }
            Err(error) if start.elapsed() > patience => return Err(error),
            Err(_) => sleep(POLL).await,
        }
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
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
            let found: Option<String> =
                sqlx::query_scalar(sql).fetch_optional(&mut *connection).await?;
            if found.as_deref() == Some(wanted) {
                return Ok(());
            }
            sleep(POLL).await;
        }
    })
    .await
    .map_err(|_| timed_out(LIMIT))?
}

fn timed_out(limit: Duration) -> sqlx::Error {
    let why = format!("not within {} s", limit.as_secs());
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why))
}
