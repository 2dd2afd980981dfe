//! Feeds of changes: the outbox table, a logical replication slot, `LISTEN`.

use std::time::Duration;

use quarrel_checkers::{Key, Lsn, Site};
use quarrel_strategy::stores::{Feed, FeedChange, Request, Response, StoreError};
use sqlx::{
    Connection as _, Executor, Row as _,
    postgres::{PgConnectOptions, PgConnection, PgListener, PgNotification, PgPoolOptions},
};
use tokio::time::timeout;

use super::{Schema, Tenancy, TimeLimits, statement::Statement};

/// A call about a feed, on an ordinary connection.
pub(super) async fn ask(
    connection: &mut PgConnection,
    tenancy: &Tenancy,
    request: &Request,
) -> Result<Response, sqlx::Error> {
    let slot = tenancy.schema.slot();
    let say = |template| Statement::new(template, tenancy.sending);
    match request {
        Request::FeedOpen(Feed::Outbox) => {
            say(&tenancy.sql.outbox_clear).rows(connection).await?;
        }
        Request::FeedOpen(Feed::Slot) => open_slot(connection, &slot).await?,
        Request::FeedClose(Feed::Slot) => {
            let sql = sqlx::AssertSqlSafe(format!(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
                 WHERE slot_name = '{slot}'"
            ));
            connection.execute(sql).await?;
        }
        Request::FeedPoll { feed: Feed::Outbox, limit, .. } => {
            let statement = say(&tenancy.sql.outbox_read).number(i64::from(*limit));
            let rows = statement.rows(connection).await?;
            let change = |row: &sqlx::postgres::PgRow| {
                Ok(FeedChange {
                    position: row.try_get::<i64, _>(0)?.unsigned_abs(),
                    key: Key(row.try_get::<i64, _>(1)?.cast_unsigned()),
                    version: row.try_get::<i64, _>(2)?.unsigned_abs(),
                })
            };
            let changes: Result<_, sqlx::Error> = rows.iter().map(change).collect();
            return changes.map(Response::Changes);
        }
        Request::FeedPoll { limit, .. } => {
            return peek_slot(connection, &tenancy.schema, *limit).await;
        }
        Request::FeedAck { feed: Feed::Outbox, positions } => {
            // By id and not "up to the greatest": ids are given out before
            // commits, so a smaller one may become visible later.
            let ids: Vec<i64> = positions.iter().map(|id| id.cast_signed()).collect();
            say(&tenancy.sql.outbox_delete).numbers(ids).rows(connection).await?;
        }
        Request::FeedAck { feed: Feed::Slot, positions } => {
            let Some(last) = positions.iter().max() else { return Ok(Response::Done) };
            let sql = format!("SELECT pg_replication_slot_advance('{slot}', '{}')", Lsn(*last));
            connection.execute(sqlx::AssertSqlSafe(sql)).await?;
        }
        _ => {}
    }
    Ok(Response::Done)
}

async fn open_slot(connection: &mut PgConnection, slot: &str) -> Result<(), sqlx::Error> {
    let found = sqlx::AssertSqlSafe(format!(
        "SELECT slot_name::text FROM pg_replication_slots WHERE slot_name = '{slot}'"
    ));
    let sql = if connection.fetch_optional(sqlx::raw_sql(found)).await?.is_some() {
        format!("SELECT pg_replication_slot_advance('{slot}', pg_current_wal_insert_lsn())")
    } else {
        format!("SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')")
    };
    connection.execute(sqlx::AssertSqlSafe(sql)).await?;
    Ok(())
}

/// Looks at the slot without moving it: changes that an agent took and did not
/// live to apply must come again.
async fn peek_slot(
    connection: &mut PgConnection,
    schema: &Schema,
    limit: u32,
) -> Result<Response, sqlx::Error> {
    let slot = schema.slot();
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT lsn::text, data FROM pg_logical_slot_peek_changes('{slot}', NULL, {limit}, \
         'skip-empty-xacts', '1', 'include-xids', '0')"
    ));
    let mut changes = Vec::new();
    // Changes of a transaction are acknowledged by the position of its commit.
    let mut open = 0;
    for row in sqlx::raw_sql(sql).fetch_all(connection).await? {
        let data: &str = row.try_get(1)?;
        if data.starts_with("COMMIT") {
            let lsn: &str = row.try_get(0)?;
            let lsn: Lsn = lsn.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
            for change in &mut changes[open..] {
                let FeedChange { position, .. } = change;
                *position = lsn.0;
            }
            open = changes.len();
        } else if let Some((key, version)) = decoded(data, schema.name()) {
            changes.push(FeedChange { position: 0, key, version });
        }
    }
    // The limit never cuts a transaction in two; this is for a change of the
    // plugin's mind.
    changes.truncate(open);
    Ok(Response::Changes(changes))
}

/// Key and version from a line of `test_decoding` about our own table:
/// `table public.kv: UPDATE: key[bigint]:7 value[text]:'x' version[bigint]:3`.
/// A slot tells of every table of the database.
fn decoded(line: &str, schema: &str) -> Option<(Key, u64)> {
    let (table, columns) = line.strip_prefix("table ")?.split_once(": ")?;
    // Postgres puts a name in quotes where it could be read as a keyword.
    let (of, name) = table.split_once('.')?;
    if of.trim_matches('"') != schema || name != "kv" {
        return None;
    }
    // The value may hold any text: the key stands before it, the version after.
    let (_, key) = columns.split_once("key[bigint]:")?;
    let key: i64 = key.split(' ').next()?.parse().ok()?;
    let (_, version) = columns.rsplit_once(" version[bigint]:")?;
    Some((Key(key.cast_unsigned()), version.trim().parse().ok()?))
}

/// A connection that listens.
pub(super) struct Listener {
    options: PgConnectOptions,
    channel: String,
    limits: TimeLimits,
    listener: Option<PgListener>,
    told: u64,
}

impl Listener {
    pub(super) const fn new(
        options: PgConnectOptions,
        channel: String,
        limits: TimeLimits,
    ) -> Self {
        Self { options, channel, limits, listener: None, told: 0 }
    }

    /// Closes its connection; the next poll makes another.
    pub(super) fn hang_up(&mut self) {
        self.listener = None;
    }

    /// Waits up to `wait` for a notification, and takes what else there is.
    pub(super) async fn poll(
        &mut self,
        limit: u32,
        wait: Duration,
    ) -> Result<Response, StoreError> {
        let mut listener = match self.listener.take() {
            Some(listener) => listener,
            None => self.listen(&self.channel).await?,
        };
        let lost = |why: String| StoreError::unknown(Site::Primary, why);
        let mut changes = Vec::new();
        match timeout(wait, listener.try_recv()).await {
            Err(_) => {}
            Ok(Ok(Some(first))) => {
                changes.extend(self.change(&first));
                while changes.len() < limit as usize
                    && let Some(next) = listener.next_buffered()
                {
                    changes.extend(self.change(&next));
                }
            }
            // The library would connect anew and say nothing of what was told
            // meanwhile; an error lets the strategy decide.
            Ok(Ok(None)) => return Err(lost("the listening connection broke".to_owned())),
            Ok(Err(error)) => return Err(lost(error.to_string())),
        }
        self.listener = Some(listener);
        Ok(Response::Changes(changes))
    }

    /// Whether what is said arrives. Through a pooler that gives each
    /// transaction another server nobody hears anything, and no error tells.
    pub(super) async fn try_out(&self) -> Result<Response, StoreError> {
        let unheard = || {
            StoreError::refused(
                Site::Primary,
                "what is notified does not arrive at a connection that listens, as behind a pooler \
                 in transaction mode; give the address of the server itself, or a pooler in \
                 session mode",
            )
        };
        let unreachable = |error: sqlx::Error| {
            StoreError::unreachable(Site::Primary, error.to_string())
                .for_want(super::want_behind(&error))
        };
        // Without listening: a server that two connections share would hear for
        // somebody else as long as it lives.
        let shared = timeout(self.limits.connect, self.shares_server());
        match shared.await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => return Err(unheard()),
            Ok(Err(error)) => return Err(unreachable(error)),
            Err(_) => return Err(StoreError::unreachable(Site::Primary, "no connection in time")),
        }
        // On a channel of its own, so that nobody who listens for changes wakes.
        let channel = format!("{}_trial", self.channel);
        let mut listener = self.listen(&channel).await?;
        let limit = self.limits.call;
        let heard = timeout(limit, async {
            let say = format!("SELECT pg_notify('{channel}', 'hello')");
            let mut speaker = PgConnection::connect_with(&self.options).await?;
            speaker.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(say))).await?;
            speaker.close().await?;
            listener.try_recv().await
        })
        .await;
        match heard {
            Ok(Ok(Some(_))) => Ok(Response::Done),
            // It arrived at a connection that never asked for it.
            Ok(Err(sqlx::Error::Protocol(_))) => Err(unheard()),
            Ok(Ok(None)) | Err(_) => Err(unheard()),
            Ok(Err(error)) => Err(unreachable(error)),
        }
    }

    /// Whether two connections that are both open are served by one server
    /// process, in turns.
    async fn shares_server(&self) -> Result<bool, sqlx::Error> {
        let mut one = PgConnection::connect_with(&self.options).await?;
        let mut other = PgConnection::connect_with(&self.options).await?;
        let mut served = [0_i32; 2];
        for (by, connection) in served.iter_mut().zip([&mut one, &mut other]) {
            let ask = sqlx::raw_sql("SELECT pg_backend_pid()");
            *by = connection.fetch_one(ask).await?.try_get(0)?;
        }
        one.close().await?;
        other.close().await?;
        Ok(served[0] == served[1])
    }

    async fn listen(&self, channel: &str) -> Result<PgListener, StoreError> {
        let unreachable = |why: String| StoreError::unreachable(Site::Primary, why);
        let limit = self.limits.connect;
        let connect = async {
            let pool = PgPoolOptions::new()
                .max_connections(1)
                .max_lifetime(None)
                .idle_timeout(None)
                .acquire_timeout(limit)
                .connect_with(self.options.clone())
                .await?;
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.ignore_pool_close_event(true);
            listener.listen(channel).await?;
            Ok::<_, sqlx::Error>(listener)
        };
        timeout(limit, connect)
            .await
            .map_err(|_| unreachable(format!("no connection within {} ms", limit.as_millis())))?
            .map_err(|error| unreachable(error.to_string()))
    }

    fn change(&mut self, notification: &PgNotification) -> Option<FeedChange> {
        let (key, version) = notification.payload().split_once(' ')?;
        self.told += 1;
        let key: i64 = key.parse().ok()?;
        Some(FeedChange {
            position: self.told,
            key: Key(key.cast_unsigned()),
            version: version.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, decoded};

    #[test]
    fn a_change_is_read_whatever_its_value_says() {
        let line = "table public.kv: UPDATE: key[bigint]:7 value[text]:'key[bigint]:1 version[bigint]:9' version[bigint]:3";
        assert_eq!(decoded(line, "public"), Some((Key(7), 3)));
        let insert = "table public.kv: INSERT: key[bigint]:-1 value[text]:'x' version[bigint]:1";
        assert_eq!(decoded(insert, "public"), Some((Key(u64::MAX), 1)));
    }

    #[test]
    fn changes_of_other_tables_are_no_changes_of_ours() {
        let line = "table public.outbox: INSERT: id[bigint]:1 key[bigint]:7 version[bigint]:3";
        assert_eq!(decoded(line, "public"), None);
        assert_eq!(decoded("BEGIN", "public"), None);
        let theirs = "table public.kv: INSERT: key[bigint]:7 value[text]:'x' version[bigint]:3";
        assert_eq!(decoded(theirs, "quarrel_1"), None);
        let quoted = "table \"user\".kv: INSERT: key[bigint]:7 value[text]:'x' version[bigint]:3";
        assert_eq!(decoded(quoted, "user"), Some((Key(7), 3)));
    }
}
