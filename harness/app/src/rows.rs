//! The rows themselves, straight from the stores and past the application.

use quarrel_checkers::{Key, Site, Value};
use quarrel_cluster::stores::classify;
use quarrel_strategy::stores::StoreError;
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Executor as _, Row as _, TypeInfo as _,
    postgres::{PgConnectOptions, PgConnection, PgRow},
};

use super::{
    file::Rows,
    template::Template,
    token::{token, value_of},
};

/// A connection that is made when it is needed and thrown away when it breaks.
pub(super) struct Direct {
    site: Site,
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl Direct {
    pub(super) const fn new(site: Site, options: PgConnectOptions) -> Self {
        Self { site, options, connection: None }
    }

    /// Makes a fresh row.
    pub(super) async fn insert(
        &mut self,
        rows: &Rows,
        number: u64,
        value: &Value,
    ) -> Result<(), StoreError> {
        let sql = statement(&rows.insert, number, Some(value));
        let connection = self.connection().await?;
        let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        self.keep_if(done).map(drop)
    }

    /// Changes a row by hand.
    pub(super) async fn update(
        &mut self,
        update: &Template,
        rows: &Rows,
        key: Key,
        value: &Value,
    ) -> Result<(), StoreError> {
        let sql = statement(update, number(rows, key), Some(value));
        let connection = self.connection().await?;
        let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        self.keep_if(done).map(drop)
    }

    /// The value of a row; none if there is no row, or it holds none.
    pub(super) async fn select(
        &mut self,
        rows: &Rows,
        number: u64,
    ) -> Result<Option<Value>, StoreError> {
        let sql = statement(&rows.select, number, None);
        let site = self.site;
        let connection = self.connection().await?;
        let found = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(connection).await;
        let Some(row) = self.keep_if(found)? else { return Ok(None) };
        let text = text_of(&row).map_err(|error| classify(site, &error))?;
        Ok(text.map(|text| value_of(&text).unwrap_or_else(|| Value::Text(text.into()))))
    }

    async fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => PgConnection::connect_with(&self.options)
                .await
                .map_err(|error| classify(self.site, &error))?,
        };
        Ok(self.connection.insert(connection))
    }

    fn keep_if<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        result.map_err(|error| {
            if !matches!(error, sqlx::Error::Database(_)) {
                self.connection = None;
            }
            classify(self.site, &error)
        })
    }
}

/// The first column as text: what simple statements answer is text already.
fn text_of(row: &PgRow) -> Result<Option<String>, sqlx::Error> {
    let raw = row.try_get_raw(0)?;
    if sqlx::ValueRef::is_null(&raw) {
        return Ok(None);
    }
    raw.as_str().map(|text| Some(text.to_owned())).map_err(|source| sqlx::Error::ColumnDecode {
        index: format!("{} ({})", row.column(0).name(), row.column(0).type_info().name()),
        source,
    })
}

/// Rows that instances are tried with before a run.
const TRIALS: u64 = 4096;

/// The number of a key's row.
pub(super) const fn number(rows: &Rows, key: Key) -> u64 {
    rows.first.saturating_add(TRIALS).saturating_add(key.0)
}

/// The key of a row's number, if it is a row of the run.
pub(super) fn key_of(rows: &Rows, number: u64) -> Option<Key> {
    let key = number.checked_sub(rows.first)?.checked_sub(TRIALS)?;
    // What is further away is some other number: a time, a serial number.
    (key < MOST).then_some(Key(key))
}

/// Rows that a run or a search may have.
const MOST: u64 = 1 << 26;

/// The number of the row that a client's instance is tried with.
pub(super) const fn trial(rows: &Rows, client: u64) -> u64 {
    rows.first.saturating_add(client % TRIALS)
}

/// A statement about one row. Keys are digits and values are tokens, so that
/// nothing in them can end a literal.
fn statement(template: &Template, number: u64, value: Option<&Value>) -> String {
    template.fill(|place| match (place, value) {
        ("key", _) => number.to_string(),
        (_, Some(value)) => format!("'{}'", token(value).replace('\'', "''")),
        (_, None) => "NULL".to_owned(),
    })
}
