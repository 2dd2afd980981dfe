//! A connection to Redis on which the server tells what changed of what was
//! read (`CLIENT TRACKING`, which needs RESP3).

use std::time::Duration;

use ::redis::{
    AsyncConnectionConfig, PushInfo, PushKind, RedisError, Value as RedisValue,
    aio::MultiplexedConnection, cmd,
};
use quarrel_checkers::Key;
use quarrel_strategy::stores::{Item, Stale};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::CacheClient;

/// A tracking connection, and what it was told.
pub(super) struct Tracking {
    connection: MultiplexedConnection,
    told: UnboundedReceiver<PushInfo>,
}

impl Tracking {
    /// Connects and turns tracking on.
    pub(super) async fn start(
        client: &CacheClient,
        limit: Duration,
        config: AsyncConnectionConfig,
    ) -> Result<Self, RedisError> {
        // As many messages wait as the client reads between two looks; the
        // server sends one for each key that it was asked for, no more.
        let (sender, told) = unbounded_channel();
        let config = config.set_push_sender(sender);
        let mut connection = client.told().connect_with(limit, config).await?;
        cmd("CLIENT").arg("TRACKING").arg("ON").exec_async(&mut connection).await?;
        Ok(Self { connection, told })
    }

    pub(super) async fn get(
        &mut self,
        item: &Item,
        prefix: &str,
    ) -> Result<RedisValue, RedisError> {
        cmd("GET").arg(item.redis_key(prefix)).query_async(&mut self.connection).await
    }

    /// What was told since the last call; none once the connection has broken,
    /// which means that anything may have changed.
    pub(super) fn invalidations(&mut self, prefix: &str) -> Option<Vec<Stale>> {
        let mut stale = Vec::new();
        while let Ok(push) = self.told.try_recv() {
            match push.kind {
                PushKind::Invalidate => stale.extend(keys(&push.data, prefix)),
                PushKind::Disconnection => return None,
                _ => {}
            }
        }
        Some(stale)
    }

    /// Returns when everything that the server had told before is here.
    pub(super) async fn hear_out(&mut self) -> Result<(), RedisError> {
        cmd("PING").exec_async(&mut self.connection).await
    }
}

/// The keys of an invalidation; none named means all.
fn keys(data: &[RedisValue], prefix: &str) -> Vec<Stale> {
    let Some(RedisValue::Array(names)) = data.first() else { return vec![Stale::All] };
    let entry = format!("{prefix}kv:");
    names
        .iter()
        .filter_map(|name| match name {
            RedisValue::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
            RedisValue::SimpleString(text) => Some(text.as_str()),
            _ => None,
        })
        .filter_map(|name| name.strip_prefix(&entry)?.parse().ok())
        .map(|key| Stale::Key(Key(key)))
        .collect()
}
