//! Whether somebody's Redis does what every strategy needs, tried on one key of
//! ours that expires by itself.

use std::collections::BTreeMap;

use quarrel_strategy::cluster::ClusterError;
use redis::{ErrorKind, RedisError, ServerErrorKind, aio::MultiplexedConnection, cmd};

use crate::stores::CacheClient;

/// How many numbers are drawn until one is found whose keys a node of a
/// cluster holds: with a hundred nodes one of 2,000 is missed once in 500
/// million.
const DRAWS: u32 = 2000;

/// A number for a new run whose keys this server holds.
pub(crate) async fn number(client: &CacheClient) -> Result<String, RedisError> {
    let mut connection = client.connect().await?;
    for _ in 0..DRAWS {
        let id = format!("{:08x}", rand::random::<u32>());
        let key = format!("quarrel:{{{id}}}:try");
        let held = cmd("EXISTS").arg(key).query_async::<i64>(&mut connection).await;
        let moved =
            held.is_err_and(|error| error.kind() == ErrorKind::Server(ServerErrorKind::Moved));
        if !moved {
            return Ok(id);
        }
    }
    // What it is shows when it is looked at.
    Ok(format!("{:08x}", rand::random::<u32>()))
}

/// What the server says it is, if it takes what strategies do, from so many
/// connections at once.
pub(crate) async fn look(
    client: &CacheClient,
    prefix: &str,
    url: &str,
    connections: u64,
) -> Result<String, ClusterError> {
    let unanswered = |error: RedisError| {
        ClusterError::new(
            format!("the cache at {url} does not answer: {error}"),
            "redis-cli -u URL ping; the address is that of --cache",
        )
    };
    let mut connection = client.connect().await.map_err(unanswered)?;
    let info = info(&mut connection).await.map_err(unanswered)?;
    let told = |name: &str| info.get(name).map(String::as_str);
    if told("redis_mode") == Some("sentinel") {
        return Err(ClusterError::new(
            format!("{url} is a Redis Sentinel, which knows where the cache is and keeps no keys"),
            "redis-cli -u URL SENTINEL MASTERS; the address of the master is that of --cache",
        ));
    }
    if matches!(told("role"), Some("slave" | "replica")) {
        return Err(ClusterError::new(
            format!("{url} is a replica, and takes no writes"),
            "--cache with the URL of the server that it replicates",
        ));
    }
    let number = |name: &str| told(name).and_then(|text| text.parse::<u64>().ok());
    if let (Some(most), Some(now)) = (number("maxclients"), number("connected_clients"))
        && most < now + connections
    {
        return Err(ClusterError::new(
            format!(
                "the cache takes {most} connections, {now} are there, and the run needs {connections}"
            ),
            "fewer --clients, or a larger maxclients",
        ));
    }
    try_out(&mut connection, prefix, url).await?;
    Ok(match (told("valkey_version"), told("redis_version")) {
        (Some(valkey), _) => format!("Valkey {valkey}"),
        (None, version) => version.unwrap_or("of a version that it does not tell").to_owned(),
    })
}

/// What the server tells of itself; nothing where that is not allowed.
async fn info(
    connection: &mut MultiplexedConnection,
) -> Result<BTreeMap<String, String>, RedisError> {
    let mut known = BTreeMap::new();
    for section in ["server", "replication", "clients"] {
        let text = match cmd("INFO").arg(section).query_async::<String>(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => continue,
            text => text?,
        };
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        known.extend(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
    }
    Ok(known)
}

/// Does what strategies do to a key of ours; what the server refuses is told
/// all at once.
async fn try_out(
    connection: &mut MultiplexedConnection,
    prefix: &str,
    url: &str,
) -> Result<(), ClusterError> {
    let key = format!("{prefix}try");
    let words: [&[&str]; 8] = [
        &["SET", &key, "1", "PX", "10000"],
        &["GET", &key],
        &["PTTL", &key],
        &["EVAL", "return redis.call('GET', KEYS[1])", "1", &key],
        &["EVALSHA", "0000000000000000000000000000000000000000", "1", &key],
        &["DEL", &key],
        &["SCAN", "0", "MATCH", &key, "COUNT", "1"],
        &["UNLINK", &key],
    ];
    let mut refused = Vec::new();
    for words in words {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        let answer = command.query_async::<redis::Value>(connection).await;
        // The script of that name is nowhere.
        let unknown = |error: &RedisError| {
            words[0] == "EVALSHA" && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
        };
        match answer {
            Err(error) if !unknown(&error) => {
                let what = match words[0] {
                    "SCAN" | "UNLINK" => ", by which keys are removed in the end",
                    _ => "",
                };
                refused.push(format!("{}{what}: {error}", words[0]));
            }
            _ => {}
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(ClusterError::new(
        format!("the cache at {url} refuses what a run needs: {}", refused.join("; ")),
        "ACL SETUSER … '~quarrel:*' +get +set +del +pttl +eval +evalsha +scan +unlink +exists +info",
    ))
}
