//! A connection on which Redis speaks without being asked (RESP3).

use std::time::Duration;

use ::redis::{
    AsyncConnectionConfig, PushInfo, PushKind, RedisError, Value as RedisValue,
    aio::MultiplexedConnection, cmd,
};
use quarrel_strategy::stores::Stale;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::CacheClient;

/// The connection, and what was said on it that nobody has looked at yet.
pub(super) struct Pushed {
    pub(super) connection: MultiplexedConnection,
    said: UnboundedReceiver<PushInfo>,
}

impl Pushed {
    pub(super) async fn connect(
        client: &CacheClient,
        limit: Duration,
        config: AsyncConnectionConfig,
    ) -> Result<Self, RedisError> {
        // As many messages wait as are sent between two looks.
        let (sender, said) = unbounded_channel();
        let config = config.set_push_sender(sender);
        let connection = client.told().connect_with(limit, config).await?;
        Ok(Self { connection, said })
    }

    /// What the messages of a kind since the last call mean; none once the
    /// connection has broken, which means that anything may have changed.
    pub(super) fn said<T: IntoIterator<Item = Stale>>(
        &mut self,
        kind: &PushKind,
        meaning: impl Fn(&[RedisValue]) -> T,
    ) -> Option<Vec<Stale>> {
        let mut said = Vec::new();
        while let Ok(push) = self.said.try_recv() {
            if push.kind == *kind {
                said.extend(meaning(&push.data));
            } else if push.kind == PushKind::Disconnection {
                return None;
            }
        }
        Some(said)
    }

    /// Returns when everything that the server had said before is here.
    pub(super) async fn hear_out(&mut self) -> Result<(), RedisError> {
        cmd("PING").exec_async(&mut self.connection).await
    }
}

/// A string, in either of its forms.
pub(super) fn text(value: &RedisValue) -> Option<&str> {
    match value {
        RedisValue::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        RedisValue::SimpleString(text) => Some(text),
        _ => None,
    }
}
