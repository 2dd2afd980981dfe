//! The channel of changes: `PUBLISH`, and a connection that listens
//! (`SUBSCRIBE`, which beside other commands needs RESP3).

use std::time::Duration;

use ::redis::{
    AsyncConnectionConfig, PushInfo, PushKind, RedisError, Value as RedisValue,
    aio::MultiplexedConnection, cmd,
};
use quarrel_checkers::{Content, Key};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::CacheClient;
use quarrel_strategy::stores::{Row, Stale, decode, encode};

/// The channel's name, behind the run's prefix.
pub(super) fn name(prefix: &str) -> String {
    format!("{prefix}changes")
}

/// What is said on it: `7`, or `7 3|Alice` with the row.
pub(super) fn message(key: Key, row: Option<&Row>) -> String {
    match row {
        None => key.to_string(),
        Some(row) => format!("{key} {}", encode(&Content::from(row.clone()))),
    }
}

/// What a message says; none if it is not one of ours.
fn meaning(message: &str) -> Option<Stale> {
    let (key, row) = match message.split_once(' ') {
        None => (message, None),
        Some((key, row)) => (key, Some(row)),
    };
    let key = Key(key.parse().ok()?);
    Some(match row.map(decode) {
        None => Stale::Key(key),
        Some(Ok(Content::Row { value, version })) => Stale::Replaced(key, Row { value, version }),
        Some(_) => return None,
    })
}

/// A connection that listens, and what it heard.
pub(super) struct Subscription {
    connection: MultiplexedConnection,
    heard: UnboundedReceiver<PushInfo>,
}

impl Subscription {
    /// Connects, and returns once the server has it among those who listen.
    pub(super) async fn start(
        client: &CacheClient,
        limit: Duration,
        config: AsyncConnectionConfig,
        prefix: &str,
    ) -> Result<Self, RedisError> {
        // As many messages wait as are said between two looks.
        let (sender, heard) = unbounded_channel();
        let config = config.set_push_sender(sender);
        let mut connection = client.told().connect_with(limit, config).await?;
        connection.subscribe(name(prefix)).await?;
        Ok(Self { connection, heard })
    }

    /// What was said since the last call; none once the connection has broken.
    pub(super) fn heard(&mut self) -> Option<Vec<Stale>> {
        let mut said = Vec::new();
        while let Ok(push) = self.heard.try_recv() {
            match push.kind {
                PushKind::Message => said.extend(push.data.last().and_then(text).and_then(meaning)),
                PushKind::Disconnection => return None,
                _ => {}
            }
        }
        Some(said)
    }

    /// Returns when everything that the server had said before is here.
    pub(super) async fn hear_out(&mut self) -> Result<(), RedisError> {
        cmd("PING").exec_async(&mut self.connection).await
    }
}

fn text(value: &RedisValue) -> Option<&str> {
    match value {
        RedisValue::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        RedisValue::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{Key, Value};

    use super::{meaning, message};
    use quarrel_strategy::stores::{Row, Stale};

    #[test]
    fn a_message_means_what_was_said() {
        let row = Row { value: Value::from("Alice in chains"), version: 3 };
        assert_eq!(meaning(&message(Key(7), None)), Some(Stale::Key(Key(7))));
        assert_eq!(meaning(&message(Key(7), Some(&row))), Some(Stale::Replaced(Key(7), row)));
        assert_eq!(meaning("hello"), None);
        assert_eq!(meaning("7 !"), None);
    }
}
