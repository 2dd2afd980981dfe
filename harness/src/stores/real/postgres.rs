use std::io;

use quarrel_checkers::{Key, Lsn, Site, Value};
use sqlx::{
    Connection, Row as _,
    postgres::{PgConnectOptions, PgConnection, PgRow},
};
use tokio::time::timeout;

use super::{TimeLimits, feed};
use crate::stores::{
    Durability, Request, Response, Row, StoreError, value_from_text, value_to_text,
};

const READ_PRIMARY: &str = "SELECT value, version FROM kv WHERE key = $1";
/// The scalar subquery makes one row come back even when the key is absent, so
/// that the replay position is known in both cases. It is read first: the row
/// is then at least as new.
const READ_REPLICA: &str = "SELECT r.lsn, kv.value, kv.version \
     FROM (SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
       ELSE pg_current_wal_insert_lsn() END)::text AS lsn) r \
     LEFT JOIN kv ON kv.key = $1";
const WRITE: &str = "INSERT INTO kv (key, value, version) VALUES ($1, $2, 1) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = kv.version + 1 \
     RETURNING version, pg_current_wal_insert_lsn()::text";
const WRITE_IF: &str = "UPDATE kv SET value = $2, version = version + 1 \
     WHERE key = $1 AND version = $3 RETURNING version, pg_current_wal_insert_lsn()::text";
const WRITE_NEW: &str = "INSERT INTO kv (key, value, version) VALUES ($1, $2, 1) \
     ON CONFLICT DO NOTHING RETURNING version, pg_current_wal_insert_lsn()::text";
const READ_PAIR: &str = "SELECT key, value, version FROM kv WHERE key IN ($1, $2)";
const WRITE_PAIR: &str = "INSERT INTO kv (key, value, version) VALUES ($1, $2, 1), ($3, $4, 1) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = kv.version + 1 \
     RETURNING key, version, pg_current_wal_insert_lsn()::text";
const WRITE_OUTBOX: &str = "WITH w AS (\
       INSERT INTO kv (key, value, version) VALUES ($1, $2, 1) \
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = kv.version + 1 \
       RETURNING version), \
     o AS (INSERT INTO outbox (key, version) SELECT $1, version FROM w) \
     SELECT version, pg_current_wal_insert_lsn()::text FROM w";
const WRITE_NOTIFY: &str = "WITH w AS (\
       INSERT INTO kv (key, value, version) VALUES ($1, $2, 1) \
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = kv.version + 1 \
       RETURNING version) \
     SELECT version, pg_current_wal_insert_lsn()::text, \
       pg_notify('invalidate', $1::text || ' ' || version::text)::text FROM w";
const PRIMARY_LSN: &str = "SELECT pg_current_wal_insert_lsn()::text";
const REPLICA_LSN: &str = "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
     ELSE pg_current_wal_insert_lsn() END)::text";

/// SQLSTATEs of errors that prove that a single statement changed nothing:
/// serialization failure, deadlock, duplicate key, read-only server, lock not
/// available, and refusals to accept a connection. Everything else is
/// indefinite.
const DEFINITE: [&str; 9] =
    ["40001", "40P01", "23505", "25006", "55P03", "57P03", "53300", "28000", "3D000"];

/// One connection to one Postgres.
pub(super) struct Postgres {
    site: Site,
    options: PgConnectOptions,
    limits: TimeLimits,
    connection: Option<PgConnection>,
    durability: Durability,
}

impl Postgres {
    pub(super) const fn new(site: Site, options: PgConnectOptions, limits: TimeLimits) -> Self {
        Self { site, options, limits, connection: None, durability: Durability::Local }
    }

    pub(super) async fn call(&mut self, request: &Request) -> Result<Response, StoreError> {
        let site = self.site;
        self.connect().await?;
        let mut connection = self.connection.take().expect("connect leaves a connection or fails");
        // The connection comes back only with an answer: a call that timed out
        // leaves a reply under way that would answer the next question.
        let answer = timeout(self.limits.call, self.ask(&mut connection, request)).await;
        match answer {
            Err(_) => {
                let waited = self.limits.call.as_millis();
                Err(StoreError::unknown(site, format!("no answer within {waited} ms")))
            }
            Ok(Ok(response)) => {
                self.connection = Some(connection);
                Ok(response)
            }
            Ok(Err(error)) => {
                let error = classify(site, &error);
                if error.connection == crate::stores::ConnectionState::Usable {
                    self.connection = Some(connection);
                }
                Err(error)
            }
        }
    }

    async fn connect(&mut self) -> Result<(), StoreError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let limit = self.limits.connect;
        let connection = timeout(limit, PgConnection::connect_with(&self.options))
            .await
            .map_err(|_| {
                let waited = limit.as_millis();
                StoreError::unreachable(self.site, format!("no connection within {waited} ms"))
            })?
            // Nothing was asked yet, so whatever went wrong changed nothing.
            .map_err(|error| StoreError::unreachable(self.site, error.to_string()))?;
        self.connection = Some(connection);
        self.durability = Durability::Local;
        Ok(())
    }

    async fn ask(
        &mut self,
        connection: &mut PgConnection,
        request: &Request,
    ) -> Result<Response, sqlx::Error> {
        match request {
            Request::PrimaryRead(key) => {
                let row =
                    sqlx::query(READ_PRIMARY).bind(id(*key)).fetch_optional(connection).await?;
                let row = row.map(|row| decode_row(&row, 0)).transpose()?;
                Ok(Response::Row { row, lsn: None })
            }
            Request::ReplicaRead(key) => {
                let answer = sqlx::query(READ_REPLICA).bind(id(*key)).fetch_one(connection).await?;
                let version: Option<i64> = answer.try_get(2)?;
                let row = version.map(|_| decode_row(&answer, 1)).transpose()?;
                Ok(Response::Row { row, lsn: Some(decode_lsn(&answer, 0)?) })
            }
            Request::PrimaryLsn => {
                let answer = sqlx::query(PRIMARY_LSN).fetch_one(connection).await?;
                Ok(Response::Lsn(decode_lsn(&answer, 0)?))
            }
            Request::ReplicaLsn => {
                let answer = sqlx::query(REPLICA_LSN).fetch_one(connection).await?;
                Ok(Response::Lsn(decode_lsn(&answer, 0)?))
            }
            Request::PrimaryReadPair(keys) => read_pair(connection, *keys).await,
            Request::PrimaryWritePair(writes) => write_pair(connection, writes).await,
            Request::FeedOpen(_)
            | Request::FeedPoll { .. }
            | Request::FeedAck { .. }
            | Request::FeedClose(_) => feed::ask(connection, request).await,
            _ => self.write(connection, request).await,
        }
    }

    async fn write(
        &mut self,
        connection: &mut PgConnection,
        request: &Request,
    ) -> Result<Response, sqlx::Error> {
        let (sql, key, value, expected) = match request {
            Request::PrimaryWrite { key, value, durability } => {
                self.set_durability(connection, *durability).await?;
                (WRITE, key, value, None)
            }
            Request::PrimaryWriteIf { key, value, expected: 0 } => (WRITE_NEW, key, value, None),
            Request::PrimaryWriteIf { key, value, expected } => {
                (WRITE_IF, key, value, Some(*expected))
            }
            Request::PrimaryWriteOutbox { key, value } => (WRITE_OUTBOX, key, value, None),
            Request::PrimaryWriteNotify { key, value } => (WRITE_NOTIFY, key, value, None),
            other => unreachable!("{other:?} is no call to Postgres"),
        };
        let mut query = sqlx::query(sql).bind(id(*key)).bind(value_to_text(value));
        if let Some(expected) = expected {
            query = query.bind(i64::try_from(expected).unwrap_or(i64::MAX));
        }
        let answer = query.fetch_optional(connection).await?;
        answer.map_or(Ok(Response::Refused), |row| {
            let version: i64 = row.try_get(0)?;
            Ok(Response::Written {
                version: version.unsigned_abs(),
                lsn: Some(decode_lsn(&row, 1)?),
            })
        })
    }

    async fn set_durability(
        &mut self,
        connection: &mut PgConnection,
        durability: Durability,
    ) -> Result<(), sqlx::Error> {
        if self.durability != durability {
            let sql = match durability {
                Durability::Local => "SET synchronous_commit = local",
                Durability::RemoteApply => "SET synchronous_commit = remote_apply",
            };
            sqlx::query(sql).execute(connection).await?;
            self.durability = durability;
        }
        Ok(())
    }
}

/// Two rows in one statement, which sees one snapshot.
async fn read_pair(connection: &mut PgConnection, keys: [Key; 2]) -> Result<Response, sqlx::Error> {
    let [first, second] = keys.map(id);
    let rows = sqlx::query(READ_PAIR).bind(first).bind(second).fetch_all(connection).await?;
    let mut found = [None, None];
    for row in &rows {
        let key: i64 = row.try_get(0)?;
        found[usize::from(key != first)] = Some(decode_row(row, 1)?);
    }
    Ok(Response::Pair(found))
}

/// Two rows in one statement, hence in one transaction.
async fn write_pair(
    connection: &mut PgConnection,
    writes: &[(Key, Value); 2],
) -> Result<Response, sqlx::Error> {
    let [first, second] = writes;
    // Always in one order, so that two of them never wait for each other.
    let ordered = if first.0 <= second.0 { [first, second] } else { [second, first] };
    let mut query = sqlx::query(WRITE_PAIR);
    for (key, value) in ordered {
        query = query.bind(id(*key)).bind(value_to_text(value));
    }
    let (mut versions, mut lsn) = ([0; 2], None);
    for row in &query.fetch_all(connection).await? {
        let (key, version): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        versions[usize::from(key != id(first.0))] = version.unsigned_abs();
        lsn = Some(decode_lsn(row, 2)?);
    }
    Ok(Response::WrittenPair { versions, lsn })
}

/// Postgres has no unsigned integers; the bits are what matters.
const fn id(key: Key) -> i64 {
    key.0.cast_signed()
}

fn decode_row(row: &PgRow, at: usize) -> Result<Row, sqlx::Error> {
    let value: &str = row.try_get(at)?;
    let version: i64 = row.try_get(at + 1)?;
    Ok(Row { value: value_from_text(value), version: version.unsigned_abs() })
}

fn decode_lsn(row: &PgRow, at: usize) -> Result<Lsn, sqlx::Error> {
    let text: &str = row.try_get(at)?;
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn classify(site: Site, error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            let message = format!("{} (SQLSTATE {code})", database.message());
            if DEFINITE.contains(&code.as_ref()) {
                StoreError::refused(site, message)
            } else {
                StoreError::unknown(site, message)
            }
        }
        sqlx::Error::Io(io) if io.kind() == io::ErrorKind::ConnectionRefused => {
            StoreError::unreachable(site, io.to_string())
        }
        other => StoreError::unknown(site, other.to_string()),
    }
}
