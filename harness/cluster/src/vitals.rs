//! Asks servers what they say of themselves.

use std::{error::Error, time::Duration};

use quarrel_checkers::Site;
use quarrel_strategy::{
    cluster::{Life, Vitals, Work},
    stores::Want,
};
use redis::cmd;
use sqlx::{Connection as _, Row as _, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::{
    admin::{connect, row},
    stores::{CacheClient, Endpoints, want_behind},
};

/// The longest that one server may take to say it.
const LIMIT: Duration = Duration::from_secs(2);

pub(super) async fn of(stores: &Endpoints) -> Result<Vec<Vitals>, String> {
    let (primary, replica, cache) = tokio::join!(
        bounded(postgres(Site::Primary, &stores.primary)),
        bounded(postgres(Site::Replica, &stores.replica)),
        bounded(redis(&stores.cache)),
    );
    Ok([primary?, replica?, cache?].into_iter().flatten().collect())
}

/// What was said in time, if anything: whether a server answers at all others
/// watch.
async fn bounded<E: Error + 'static>(
    ask: impl Future<Output = Result<Option<Vitals>, E>>,
) -> Result<Option<Vitals>, String> {
    match timeout(LIMIT, ask).await {
        Ok(Err(error)) if want_behind(&error) == Want::Ours => Err(error.to_string()),
        Ok(Ok(said)) => Ok(said),
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

async fn postgres(site: Site, options: &PgConnectOptions) -> Result<Option<Vitals>, sqlx::Error> {
    let mut connection = connect(options).await?;
    let sql = "SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, \
                 (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \
                 sum(xact_commit + xact_rollback)::bigint, sum(xact_rollback)::bigint \
               FROM pg_catalog.pg_stat_database";
    let said = row(&mut connection, sql).await?.ok_or(sqlx::Error::RowNotFound)?;
    let number = |at: usize| said.try_get::<i64, _>(at);
    let life = Life::Since { start: number(0)?, now: number(1)? };
    let work = Work { asked: number(2)?.unsigned_abs(), failed: number(3)?.unsigned_abs() };
    connection.close().await?;
    Ok(Some(Vitals { site, life, work }))
}

/// Nothing where it is not allowed to be asked.
async fn redis(client: &CacheClient) -> Result<Option<Vitals>, redis::RedisError> {
    let mut connection = client.connect().await?;
    let mut said = String::new();
    for section in ["server", "stats"] {
        said += &cmd("INFO").arg(section).query_async::<String>(&mut connection).await?;
    }
    let told = |name: &str| {
        let mut pairs = said.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| value.trim())
    };
    let number = |name: &str| told(name).and_then(|text| text.parse().ok()).unwrap_or_default();
    let work =
        Work { asked: number("total_commands_processed"), failed: number("total_error_replies") };
    let life = told("run_id").map(|id| Life::Named(id.to_owned()));
    Ok(life.map(|life| Vitals { site: Site::Cache, life, work }))
}
