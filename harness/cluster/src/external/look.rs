//! Whether servers are what a run needs, before anything is made there.

use quarrel_strategy::cluster::ClusterError;
use sqlx::{Connection as _, postgres::PgConnectOptions};

use crate::{
    admin,
    cache::guest,
    stores::{Endpoints, StoreUrl},
};

/// Connections that a run has besides its clients': agents, probes, faults,
/// the heart.
const BESIDES: u64 = 12;

/// Connections that stay free for the owner of a server.
const SPARE: u64 = 5;

/// A number for a new run. On a node of a Redis cluster it is one whose keys
/// the node holds.
pub(super) async fn number(cache: &StoreUrl) -> Result<String, ClusterError> {
    let client = cache
        .redis()
        .map_err(|error| ClusterError::new(error.to_string(), "see quarrel run --help"))?;
    guest::number(&client).await.map_err(|error| unanswered(cache, &error))
}

/// Looks at all servers; what they say they are. Only keys of ours in Redis
/// are written and deleted again.
pub(super) async fn look(
    probes: &Endpoints,
    clients: u64,
) -> Result<Vec<(String, String)>, ClusterError> {
    let mut alone = true;
    for (name, url) in probes.urls("").into_iter().take(2) {
        let options = if name == "primary" { &probes.primary } else { &probes.replica };
        let replays = admin::in_recovery(options).await.map_err(|error| {
            ClusterError::new(
                format!("the {name} at {url} does not answer: {error}"),
                format!("psql '{url}'; the address is that of --{name}"),
            )
        })?;
        if name == "primary" && replays {
            return Err(ClusterError::new(
                format!("{url} is a replica, and takes no writes"),
                "--primary with the URL of the server that it replicates",
            ));
        }
        alone = name == "replica" && !replays;
    }
    // A client has a connection to the primary and one to the replica, which
    // may be the primary again.
    let each = if alone { 2 } else { 1 };
    room("primary", &probes.primary, clients * each + BESIDES).await?;
    if !alone {
        room("replica", &probes.replica, clients + BESIDES).await?;
    }
    let (_, url) = probes.urls("").remove(2);
    let cache = guest::look(&probes.cache, &probes.prefix, &url, clients + BESIDES).await?;
    let postgres = admin::version(&probes.primary)
        .await
        .map_err(|error| ClusterError::new(format!("the primary is gone: {error}"), "once more"))?;
    Ok(vec![("postgres".to_owned(), postgres), ("redis".to_owned(), cache)])
}

/// Whether a server takes so many connections more and leaves some to others.
async fn room(name: &str, options: &PgConnectOptions, needed: u64) -> Result<(), ClusterError> {
    let free = free(options).await.map_err(|error| {
        ClusterError::new(
            format!("the {name} does not say how many may connect: {error}"),
            "once more",
        )
    })?;
    match free {
        Some(free) if free < needed + SPARE => Err(ClusterError::new(
            format!(
                "the {name} has room for {free} connections, and the run needs {needed} \
                 and leaves {SPARE} to others"
            ),
            format!("fewer --clients, or a larger max_connections of the {name} or of its role"),
        )),
        _ => Ok(()),
    }
}

/// How many connections may be added; none if a pooler shares servers among
/// them and says itself when there are too many.
async fn free(options: &PgConnectOptions) -> Result<Option<u64>, sqlx::Error> {
    let (mut one, mut other) = (admin::connect(options).await?, admin::connect(options).await?);
    let backend = "SELECT pg_backend_pid()";
    let mut backends = [0; 2];
    for (number, connection) in backends.iter_mut().zip([&mut one, &mut other]) {
        *number = admin::scalar::<i32>(connection, backend).await?;
    }
    let room = "SELECT greatest(0, least( \
         current_setting('max_connections')::bigint \
           - current_setting('superuser_reserved_connections')::bigint \
           - coalesce(current_setting('reserved_connections', true), '0')::bigint \
           - (SELECT sum(numbackends) FROM pg_catalog.pg_stat_database), \
         (SELECT CASE WHEN rolconnlimit < 0 THEN 1000000 ELSE rolconnlimit - \
             (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usename = rolname) END \
           FROM pg_catalog.pg_roles WHERE rolname = current_user), \
         (SELECT CASE WHEN datconnlimit < 0 THEN 1000000 ELSE datconnlimit - \
             (SELECT numbackends FROM pg_catalog.pg_stat_database s WHERE s.datid = d.oid) END \
           FROM pg_catalog.pg_database d WHERE datname = current_database())))::bigint";
    let room: i64 = admin::scalar(&mut one, room).await?;
    one.close().await?;
    other.close().await?;
    // The two that asked are free now.
    Ok((backends[0] != backends[1]).then_some(room.unsigned_abs() + 2))
}

fn unanswered(cache: &StoreUrl, error: &redis::RedisError) -> ClusterError {
    ClusterError::new(
        format!("the cache at {cache} does not answer: {error}"),
        "redis-cli -u URL ping; the address is that of --cache",
    )
}
