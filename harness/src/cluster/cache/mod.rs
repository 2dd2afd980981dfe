//! What is done to Redis by commands, over connections that no fault strikes.

pub(super) mod guest;

use redis::{Client, RedisError, cmd};

/// Forgets everything.
pub(super) async fn wipe(client: &Client) -> Result<(), RedisError> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    cmd("FLUSHALL").exec_async(&mut connection).await
}

/// Saves a snapshot, and returns when it is on disk.
pub(super) async fn save(client: &Client) -> Result<(), RedisError> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    cmd("SAVE").exec_async(&mut connection).await
}

/// Lets Redis grow by `spare` bytes and then evict, or without limit.
pub(super) async fn limit(client: &Client, spare: Option<u64>) -> Result<(), RedisError> {
    let mut connection = client.get_multiplexed_async_connection().await?;
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
