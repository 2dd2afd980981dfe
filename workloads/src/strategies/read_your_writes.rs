use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Key, Time, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{OptionSpec, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, Fill, ON_CACHE_ERROR, ON_LOST_INVALIDATION, TTL};

/// Cache-aside, but a session that has just written a key reads it from the
/// primary, past the cache, for a while.
#[derive(Clone, Copy, Debug)]
pub struct ReadYourWrites {
    /// How everybody else reads.
    pub aside: Aside,
    /// How long a session remembers that it wrote.
    pub window: Duration,
}

const WROTE: &str = "wrote";

const WINDOW: OptionSpec = OptionSpec {
    name: "window",
    default: "10s",
    help: "how long after its write a session reads the primary; make it longer than the ttl",
};

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "read-your-writes",
    summary: "cache-aside; a session reads what it just wrote from the primary, past the cache",
    source: file!(),
    options: &[TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, WINDOW],
    build: |options| {
        let aside = Aside::filled_from(Fill::Replica, options)?;
        Ok(Arc::new(ReadYourWrites { aside, window: options.duration("window")? }))
    },
};

impl Strategy for ReadYourWrites {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let wrote = session.memory.recall(WROTE, key).map(Time);
        if wrote.is_some_and(|wrote| session.now() < wrote + self.window) {
            return session.primary().read(key).await;
        }
        session.memory.forget(WROTE, key);
        self.aside.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value).await?;
        let now = session.now();
        session.memory.remember(WROTE, key, now.as_nanos());
        self.aside.invalidate(session, key).await?;
        Ok(version)
    }
}
