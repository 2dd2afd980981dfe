use std::{io, sync::Arc};

use quarrel_checkers::{Content, Key, Lsn, Site, Value};
use quarrel_strategy::stores::{
    Durability, Request, Response, Row, StoreError, Want, value_from_text, value_to_text,
};
use rustc_hash::FxHashMap;
use sqlx::{
    Connection, Row as _,
    postgres::{PgConnectOptions, PgConnection, PgRow},
};
use tokio::time::timeout;

use super::{Tenancy, TimeLimits, feed, statement::Statement};

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
    tenancy: Tenancy,
    connection: Option<PgConnection>,
}

impl Postgres {
    pub(super) const fn new(
        site: Site,
        options: PgConnectOptions,
        tenancy: Tenancy,
        limits: TimeLimits,
    ) -> Self {
        Self { site, options, limits, tenancy, connection: None }
    }

    /// Closes its connection; the next call makes another.
    pub(super) fn hang_up(&mut self) {
        self.connection = None;
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
                if error.connection == quarrel_strategy::stores::ConnectionState::Usable {
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
            .map_err(|error| {
                let want = super::want_behind(&error);
                StoreError::unreachable(self.site, error.to_string()).for_want(want)
            })?;
        self.connection = Some(connection);
        Ok(())
    }

    /// A statement as it is sent here.
    fn say(&self, template: &Arc<str>) -> Statement {
        Statement::new(template, self.tenancy.sending)
    }

    async fn ask(
        &self,
        connection: &mut PgConnection,
        request: &Request,
    ) -> Result<Response, sqlx::Error> {
        let sql = &*self.tenancy.sql;
        match request {
            Request::PrimaryRead(key) => {
                let row = self.say(&sql.read_primary).number(id(*key)).row(connection).await?;
                let row = row.map(|row| decode_row(&row, 0)).transpose()?;
                Ok(Response::Row { row, lsn: None })
            }
            Request::ReplicaRead(key) => {
                let answer = self.say(&sql.read_replica).number(id(*key)).row(connection).await?;
                let answer = answer.ok_or(sqlx::Error::RowNotFound)?;
                let version: Option<i64> = answer.try_get(2)?;
                let row = version.map(|_| decode_row(&answer, 1)).transpose()?;
                Ok(Response::Row { row, lsn: Some(decode_lsn(&answer, 0)?) })
            }
            Request::PrimaryLsn => self.lsn(connection, &sql.primary_lsn).await,
            Request::ReplicaLsn => self.lsn(connection, &sql.replica_lsn).await,
            Request::PrimaryReadPair(keys) => self.read_pair(connection, *keys).await,
            Request::PrimaryWritePair(writes) => self.write_pair(connection, writes).await,
            Request::PrimaryLoad(rows) => self.load(connection, rows).await,
            Request::ReadMany { keys, .. } => self.read_many(connection, keys).await,
            Request::FeedOpen(_)
            | Request::FeedPoll { .. }
            | Request::FeedAck { .. }
            | Request::FeedClose(_) => feed::ask(connection, &self.tenancy, request).await,
            _ => self.write(connection, request).await,
        }
    }

    async fn lsn(
        &self,
        connection: &mut PgConnection,
        template: &Arc<str>,
    ) -> Result<Response, sqlx::Error> {
        let answer = self.say(template).row(connection).await?.ok_or(sqlx::Error::RowNotFound)?;
        Ok(Response::Lsn(decode_lsn(&answer, 0)?))
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        request: &Request,
    ) -> Result<Response, sqlx::Error> {
        let sql = &*self.tenancy.sql;
        let (template, key, value, expected) = match request {
            Request::PrimaryWrite { key, value, durability: Durability::Local } => {
                (&sql.write, key, value, None)
            }
            Request::PrimaryWrite { key, value, durability: Durability::RemoteApply } => {
                (&sql.write_remote_apply, key, value, None)
            }
            Request::PrimaryWriteIf { key, value, expected: 0 } => {
                (&sql.write_new, key, value, Some(0))
            }
            Request::PrimaryWriteIf { key, value, expected } => {
                (&sql.write_if, key, value, Some(*expected))
            }
            Request::PrimaryWriteOutbox { key, value } => (&sql.write_outbox, key, value, None),
            Request::PrimaryWriteNotify { key, value } => (&sql.write_notify, key, value, None),
            other => unreachable!("{other:?} is no call to Postgres"),
        };
        let mut statement = self.say(template).number(id(*key)).text(value_to_text(value));
        if let Some(expected) = expected.filter(|expected| *expected > 0) {
            statement = statement.number(i64::try_from(expected).unwrap_or(i64::MAX));
        }
        match statement.row(connection).await? {
            Some(row) => {
                let version: i64 = row.try_get(0)?;
                let (lsn, timeline) = (Some(decode_lsn(&row, 1)?), decode_timeline(&row, 2)?);
                Ok(Response::Written { version: version.unsigned_abs(), lsn, timeline })
            }
            // The row was not as expected; or, with nothing expected of it, the
            // mark of the run is gone.
            None if expected.is_some() => Ok(Response::Refused),
            None => Err(sqlx::Error::RowNotFound),
        }
    }

    /// Two rows in one statement, which sees one snapshot.
    async fn read_pair(
        &self,
        connection: &mut PgConnection,
        keys: [Key; 2],
    ) -> Result<Response, sqlx::Error> {
        let [first, second] = keys.map(id);
        let statement = self.say(&self.tenancy.sql.read_pair).number(first).number(second);
        let mut found = [None, None];
        for row in &statement.rows(connection).await? {
            let key: i64 = row.try_get(0)?;
            found[usize::from(key != first)] = Some(decode_row(row, 1)?);
        }
        Ok(Response::Pair(found))
    }

    async fn read_many(
        &self,
        connection: &mut PgConnection,
        keys: &[Key],
    ) -> Result<Response, sqlx::Error> {
        let numbers = keys.iter().copied().map(id).collect();
        let statement = self.say(&self.tenancy.sql.read_many).numbers(numbers);
        let mut found = FxHashMap::default();
        for row in &statement.rows(connection).await? {
            found.insert(row.try_get::<i64, _>(0)?, Content::from(decode_row(row, 1)?));
        }
        Ok(Response::Contents(keys.iter().map(|key| found.remove(&id(*key))).collect()))
    }

    /// Many new rows in one statement, hence in one transaction.
    async fn load(
        &self,
        connection: &mut PgConnection,
        rows: &[(Key, Value)],
    ) -> Result<Response, sqlx::Error> {
        let keys = rows.iter().map(|(key, _)| id(*key)).collect();
        let values = rows.iter().map(|(_, value)| value_to_text(value)).collect();
        let statement = self.say(&self.tenancy.sql.load).numbers(keys).texts(values);
        let (mut keys, mut lsn, mut timeline) = (Vec::with_capacity(rows.len()), None, 1);
        for row in &statement.rows(connection).await? {
            keys.push(Key(row.try_get::<i64, _>(0)?.cast_unsigned()));
            // All the same: it is one transaction.
            (lsn, timeline) = (Some(decode_lsn(row, 2)?), decode_timeline(row, 3)?);
        }
        Ok(Response::Loaded { keys, lsn, timeline })
    }

    /// Two rows in one statement, hence in one transaction.
    async fn write_pair(
        &self,
        connection: &mut PgConnection,
        writes: &[(Key, Value); 2],
    ) -> Result<Response, sqlx::Error> {
        let [first, second] = writes;
        // Always in one order, so that two of them never wait for each other.
        let ordered = if first.0 <= second.0 { [first, second] } else { [second, first] };
        let mut statement = self.say(&self.tenancy.sql.write_pair);
        for (key, value) in ordered {
            statement = statement.number(id(*key)).text(value_to_text(value));
        }
        let (mut versions, mut at) = ([0; 2], None);
        for row in &statement.rows(connection).await? {
            let (key, version): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            versions[usize::from(key != id(first.0))] = version.unsigned_abs();
            at = Some((decode_lsn(row, 2)?, decode_timeline(row, 3)?));
        }
        match at {
            Some((lsn, timeline)) => {
                Ok(Response::WrittenPair { versions, lsn: Some(lsn), timeline })
            }
            None => Err(sqlx::Error::RowNotFound),
        }
    }
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

/// In hexadecimal digits, as in the name of a log segment.
fn decode_timeline(row: &PgRow, at: usize) -> Result<u32, sqlx::Error> {
    let text: &str = row.try_get(at)?;
    u32::from_str_radix(text, 16).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// An error of `sqlx` as one of the store at `site`.
pub fn classify(site: Site, error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            let message = format!("{} (SQLSTATE {code})", database.message());
            let told = if DEFINITE.contains(&code.as_ref()) {
                StoreError::refused(site, message)
            } else {
                StoreError::unknown(site, message)
            };
            told.for_want(super::want_behind(error))
        }
        sqlx::Error::Io(io) if io.kind() == io::ErrorKind::ConnectionRefused => {
            StoreError::unreachable(site, io.to_string())
        }
        // Statements that must answer with a row have none only where the mark
        // of the run is missing, and then they change nothing.
        sqlx::Error::RowNotFound => {
            let why = "the schema does not bear this run's mark, so nothing was written to it";
            // Whoever takes it away says that the schema is not ours any more.
            StoreError::refused(site, why).for_want(Want::Rights)
        }
        other => StoreError::unknown(site, other.to_string()).for_want(super::want_behind(other)),
    }
}
