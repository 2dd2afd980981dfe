use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Key, Time, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{OptionSpec, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, Fill, ON_CACHE_ERROR, ON_LOST_INVALIDATION, TTL};

/// Cache-aside whose misses are filled from the primary for a session that has
/// just written the key: the flag keeps the *writer* from putting an old row
/// back.
///
/// It does not give the writer its own writes: somebody else, without the
/// flag, fills the entry from the lagging replica between the writer's delete
/// and its read, and the hit is served. Compare `read-your-writes`, which
/// passes the cache by.
#[derive(Clone, Copy, Debug)]
pub struct SessionFlag {
    /// How it reads.
    pub aside: Aside,
    /// How long a session remembers that it wrote.
    pub window: Duration,
}

const WROTE: &str = "wrote";

const WINDOW: OptionSpec = OptionSpec {
    name: "window",
    default: "10s",
    help: "how long after its write a session fills its misses from the primary",
};

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "session-flag",
    summary: "cache-aside; a session that just wrote a key fills its misses from the primary",
    source: file!(),
    options: &[TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, WINDOW],
    build: |options| {
        let aside = Aside::filled_from(Fill::Replica, options)?;
        Ok(Arc::new(SessionFlag { aside, window: options.duration("window")? }))
    },
};

impl Strategy for SessionFlag {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let wrote = session.memory.recall(WROTE, key).map(Time);
        let fill = match wrote {
            Some(wrote) if session.now() < wrote + self.window => Fill::Primary,
            _ => Fill::Replica,
        };
        self.aside.read_filling(session, key, fill).await
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
