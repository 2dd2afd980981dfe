//! The mark that every schema of quarrel's bears, and what is done by it: a run
//! is known by its mark, lives while the mark is renewed, and what it made is
//! removed only under it.

use std::{net::SocketAddr, time::Duration};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _, postgres::PgConnectOptions};
use tokio::time::{sleep, timeout};

use super::{
    admin::{connect, row, scalar, timed_out},
    external::{Leftover, STOPPED},
};
use crate::stores::Schema;

/// The columns of the mark's table. All times are the server's.
pub(super) const COLUMNS: &str = "run text PRIMARY KEY, \
     beat timestamptz NOT NULL DEFAULT clock_timestamp(), toxiproxy text";

/// Renews the mark every `pause`, over one connection; it returns only when
/// that breaks, or the mark is gone.
pub(super) async fn beat(
    primary: &PgConnectOptions,
    schema: &Schema,
    pause: Duration,
) -> Result<(), sqlx::Error> {
    let mut connection = connect(primary).await?;
    let sql = format!(
        "UPDATE {} SET beat = clock_timestamp() FROM \
           (SELECT set_config('synchronous_commit', 'local', true)) AS set \
         WHERE run = '{}' RETURNING 1",
        schema.table(Schema::MARK),
        schema.run()
    );
    loop {
        let beaten = timeout(pause, row(&mut connection, &sql)).await;
        if beaten.map_err(|_| timed_out(pause))??.is_none() {
            return Err(sqlx::Error::RowNotFound);
        }
        sleep(pause).await;
    }
}

/// Whether it is that no mark was found. A schema that is gone has none, either.
pub(super) fn is_no_mark(error: &sqlx::Error) -> bool {
    /// SQLSTATE of a table that is not there.
    const UNDEFINED_TABLE: &str = "42P01";
    match error {
        sqlx::Error::RowNotFound => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code == UNDEFINED_TABLE),
        _ => false,
    }
}

/// Writes down where proxies of the run will be, before they are made.
pub(super) async fn note_proxies(
    primary: &PgConnectOptions,
    schema: &Schema,
    api: SocketAddr,
) -> Result<(), sqlx::Error> {
    let mut connection = connect(primary).await?;
    let (mark, run) = (schema.table(Schema::MARK), schema.run());
    let sql = format!("UPDATE {mark} SET toxiproxy = '{api}' WHERE run = '{run}'");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    connection.close().await
}

/// Every run that has a schema here which this role may look into. Nothing
/// that is found is believed but what its name and its mark agree on.
pub(super) async fn marks(primary: &PgConnectOptions) -> Result<Vec<Leftover>, sqlx::Error> {
    let mut connection = connect(primary).await?;
    let named = format!(
        "SELECT substr(n.nspname::text, 9) FROM pg_catalog.pg_namespace n \
         JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'beat' \
         WHERE n.nspname ~ '^quarrel_[0-9a-f]{{8}}$' AND c.relname = '{}' AND c.relkind = 'r' \
           AND a.atttypid = 'timestamptz'::regtype \
           AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') \
         ORDER BY 1",
        Schema::MARK
    );
    let ids = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(named))).await?;
    let mut found = Vec::new();
    for id in &ids {
        let id: String = id.try_get(0)?;
        let Ok(schema) = Schema::new(&format!("quarrel_{id}"), &format!("r{id}")) else { continue };
        let marked = format!(
            "SELECT greatest(extract(epoch FROM clock_timestamp() - beat), \
               CASE WHEN run = 's{id}' THEN {} ELSE 0 END)::bigint, \
               toxiproxy::text, EXISTS (SELECT FROM pg_catalog.pg_replication_slots \
                 WHERE slot_name = '{}' AND database = current_database()) \
             FROM {} WHERE run IN ('r{id}', 's{id}') LIMIT 1",
            // One that is being removed is left, however lately its heart beat.
            STOPPED.as_secs(),
            schema.slot(),
            schema.table(Schema::MARK)
        );
        // A run that ends at this moment takes its table away.
        let Ok(Some(mark)) = row(&mut connection, &marked).await else { continue };
        let silent: i64 = mark.try_get(0)?;
        found.push(Leftover {
            id,
            silent: Duration::from_secs(silent.unsigned_abs()),
            toxiproxy: mark.try_get(1)?,
            keeps_log: mark.try_get(2)?,
        });
    }
    connection.close().await?;
    Ok(found)
}

/// Gives a run whose heart has been silent for so long the mark of one that is
/// being removed, which `schema` bears; whether it has it now.
pub(super) async fn condemn(
    primary: &PgConnectOptions,
    schema: &Schema,
    silent: Duration,
) -> Result<bool, sqlx::Error> {
    let mut connection = connect(primary).await?;
    let (mark, run) = (schema.table(Schema::MARK), schema.run());
    let alive = format!("r{}", run.trim_start_matches('s'));
    let sql = format!(
        "UPDATE {mark} SET run = '{run}' WHERE run = '{run}' OR (run = '{alive}' \
         AND beat < clock_timestamp() - interval '{} seconds') RETURNING 1",
        silent.as_secs()
    );
    let condemned = row(&mut connection, &sql).await?.is_some();
    connection.close().await?;
    Ok(condemned)
}

/// Waits until a schema made on the primary is on the replica, with its mark.
pub(super) async fn sees_schema(
    replica: &PgConnectOptions,
    schema: &Schema,
    patience: Duration,
) -> Result<(), sqlx::Error> {
    let mut connection = connect(replica).await?;
    // Made in one transaction with its mark, so that the first look without an
    // error about a missing table is one at the mark.
    let (there, marked) = (exists(schema), schema.marked("1"));
    timeout(patience, async {
        while row(&mut connection, &there).await?.is_none()
            || row(&mut connection, &marked).await?.is_none()
        {
            sleep(Duration::from_millis(5)).await;
        }
        connection.close().await
    })
    .await
    .map_err(|_| timed_out(patience))?
}

/// Drops a schema with the tables that are ours, and the replication slot of
/// its feed of changes, which would keep the primary's log for ever. A schema
/// that does not bear the mark of its run is left alone, and so is one in which
/// somebody keeps something else, or on which something else depends.
pub(super) async fn drop_schema(
    primary: &PgConnectOptions,
    schema: &Schema,
) -> Result<(), sqlx::Error> {
    let mut connection = connect(primary).await?;
    if row(&mut connection, &exists(schema)).await?.is_none() {
        return connection.close().await;
    }
    let (slot, marked) = (schema.slot(), schema.marked("1"));
    let slots = format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots \
         WHERE slot_name = '{slot}' AND NOT active AND database = current_database() \
           AND EXISTS ({marked})"
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(slots))).await?;
    let left = format!(
        "SELECT count(*) FROM pg_catalog.pg_replication_slots \
         WHERE slot_name = '{slot}' AND database = current_database()"
    );
    if scalar::<i64>(&mut connection, &left).await? > 0 {
        // Without its schema nobody would know any more whose it is.
        return Err(sqlx::Error::Protocol(format!("the replication slot {slot} is in use")));
    }
    let (mark, kv, outbox) =
        (schema.table(Schema::MARK), schema.table("kv"), schema.table("outbox"));
    let drop = format!(
        "DO $$ BEGIN \
           IF NOT EXISTS ({marked}) THEN RAISE EXCEPTION 'the schema bears another mark'; END IF; \
           DROP TABLE {kv}, {outbox}, {mark}; \
           DROP SCHEMA \"{schema}\"; \
         END $$"
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await?;
    connection.close().await
}

/// A query that returns one row if the schema has the mark's table.
fn exists(schema: &Schema) -> String {
    format!("SELECT 1 WHERE to_regclass('{}') IS NOT NULL", schema.table(Schema::MARK))
}
