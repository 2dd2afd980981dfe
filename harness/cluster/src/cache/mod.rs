//! What is done to Redis by commands, over connections that no fault strikes.

pub(super) mod guest;

use redis::{RedisError, cmd};

use crate::stores::CacheClient;

/// Forgets everything.
pub(super) async fn wipe(client: &CacheClient) -> Result<(), RedisError> {
    let mut connection = client.connect().await?;
    cmd("FLUSHALL").exec_async(&mut connection).await
}

/// Saves a snapshot, and returns when it is on disk.
pub(super) async fn save(client: &CacheClient) -> Result<(), RedisError> {
    let mut connection = client.connect().await?;
    cmd("SAVE").exec_async(&mut connection).await
}

/// Lets Redis grow by `spare` bytes and then evict, or without limit.
pub(super) async fn limit(client: &CacheClient, spare: Option<u64>) -> Result<(), RedisError> {
    let mut connection = client.connect().await?;
    // An absolute limit would say little: an empty Redis takes a megabyte, and
    // each connection its share.
    let most = match spare {
        None => 0,
        Some(spare) => {
            let info: String = cmd("INFO").arg("memory").query_async(&mut connection).await?;
            let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
            used.and_then(|used| used.trim().parse::<u64>().ok()).unwrap_or(0) + spare
        }
    };
    let mut set = cmd("CONFIG");
    set.arg("SET").arg("maxmemory-policy").arg("allkeys-random").arg("maxmemory").arg(most);
    set.exec_async(&mut connection).await
}
