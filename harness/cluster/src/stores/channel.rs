//! The channel of changes: `PUBLISH`, and a connection that listens
//! (`SUBSCRIBE`, which beside other commands needs RESP3).

use std::time::Duration;

use ::redis::{AsyncConnectionConfig, PushKind, RedisError};
use quarrel_checkers::{Content, Key};

use super::{
    CacheClient,
    pushed::{Pushed, text},
};
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

/// A connection that listens.
pub(super) struct Subscription(Pushed);

impl Subscription {
    /// Connects, and returns once the server has it among those who listen.
    pub(super) async fn start(
        client: &CacheClient,
        limit: Duration,
        config: AsyncConnectionConfig,
        prefix: &str,
    ) -> Result<Self, RedisError> {
        let mut pushed = Pushed::connect(client, limit, config).await?;
        pushed.connection.subscribe(name(prefix)).await?;
        Ok(Self(pushed))
    }

    /// What was said since the last call; none once the connection has broken.
    pub(super) fn heard(&mut self) -> Option<Vec<Stale>> {
        self.0.said(&PushKind::Message, |data| data.last().and_then(text).and_then(meaning))
    }

    /// Returns when everything that the server had said before is here.
    pub(super) async fn hear_out(&mut self) -> Result<(), RedisError> {
        self.0.hear_out().await
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
