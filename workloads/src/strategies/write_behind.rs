use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Job, OptionSpec, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, FILL_PRIMARY, Fill, ON_CACHE_ERROR, OnCacheError, TTL, Unheard};

/// The cache takes the write; the database gets it later, from a queue in the
/// client's memory.
///
/// Guarantees nothing beyond the cache's own memory: an acknowledged write is
/// lost when the client crashes before its queue is empty, when the entry
/// expires or is evicted before the update ran (a reader then refills the old
/// row), and when two clients' queues run in the other order than their sets.
/// The update is tried a few times, then given up. The primary numbers a write
/// only when it gets it, so an acknowledgement carries no version.
#[derive(Clone, Copy, Debug)]
pub struct WriteBehind {
    /// How it reads.
    pub aside: Aside,
    /// How long a write waits in the queue.
    pub delay: Duration,
}

/// How often an update is tried.
const ATTEMPTS: u32 = 3;

const DELAY: OptionSpec = OptionSpec {
    name: "delay",
    default: "20ms",
    help: "how long a write waits in the queue before it reaches the primary",
};

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "write-behind",
    summary: "write: set the entry, answer, update the primary in the background",
    source: file!(),
    options: &[FILL_PRIMARY, TTL, ON_CACHE_ERROR, DELAY],
    build: |options| {
        let fill = Fill::from_options(options)?;
        let on_cache_error = OnCacheError::from_options(options)?;
        // A write that the cache did not take is no write at all.
        let unheard = Unheard::Fail;
        let aside = Aside { fill, ttl: options.duration("ttl")?, on_cache_error, unheard };
        Ok(Arc::new(WriteBehind { aside, delay: options.duration("delay")? }))
    },
};

impl Strategy for WriteBehind {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.aside.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let row = Row { value: value.clone(), version: 0 };
        session.cache().set_row(key, row, Some(self.aside.ttl)).await?;
        session.later(self.delay, "update", key, Some(value));
        Ok(0)
    }
    async fn work(&self, session: &mut Session, job: Job) -> Result<(), StoreError> {
        let value = job.value.expect("an update is put off with its value");
        let mut last = Ok(());
        for _ in 0..ATTEMPTS {
            last = session.primary().write(job.key, value.clone()).await.map(drop);
            if last.is_ok() {
                break;
            }
        }
        last
    }
}
