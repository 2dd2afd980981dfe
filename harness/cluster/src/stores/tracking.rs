//! A connection to Redis on which the server tells what changed of what was
//! read (`CLIENT TRACKING`, which needs RESP3).

use std::time::Duration;

use ::redis::{AsyncConnectionConfig, PushKind, RedisError, Value as RedisValue, cmd};
use quarrel_checkers::Key;
use quarrel_strategy::stores::{Item, Stale};

use super::{
    CacheClient,
    pushed::{Pushed, text},
};

/// A tracking connection.
pub(super) struct Tracking(Pushed);

impl Tracking {
    /// Connects and turns tracking on.
    pub(super) async fn start(
        client: &CacheClient,
        limit: Duration,
        config: AsyncConnectionConfig,
    ) -> Result<Self, RedisError> {
        let mut pushed = Pushed::connect(client, limit, config).await?;
        cmd("CLIENT").arg("TRACKING").arg("ON").exec_async(&mut pushed.connection).await?;
        Ok(Self(pushed))
    }

    pub(super) async fn get(
        &mut self,
        item: &Item,
        prefix: &str,
    ) -> Result<RedisValue, RedisError> {
        cmd("GET").arg(item.redis_key(prefix)).query_async(&mut self.0.connection).await
    }

    /// What was told since the last call: the server tells of each key that it
    /// was asked for once. None once the connection has broken.
    pub(super) fn invalidations(&mut self, prefix: &str) -> Option<Vec<Stale>> {
        self.0.said(&PushKind::Invalidate, |data| keys(data, prefix))
    }

    /// Returns when everything that the server had told before is here.
    pub(super) async fn hear_out(&mut self) -> Result<(), RedisError> {
        self.0.hear_out().await
    }
}

/// The keys of an invalidation; none named means all.
fn keys(data: &[RedisValue], prefix: &str) -> Vec<Stale> {
    let Some(RedisValue::Array(names)) = data.first() else { return vec![Stale::All] };
    let entry = format!("{prefix}kv:");
    names
        .iter()
        .filter_map(text)
        .filter_map(|name| name.strip_prefix(&entry)?.parse().ok())
        .map(|key| Stale::Key(Key(key)))
        .collect()
}
