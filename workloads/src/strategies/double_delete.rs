use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Job, OptionSpec, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, FILL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, TTL};

/// Deletes the entry before the update and once more some time after the
/// answer, to sweep out what a lagging replica or a slow reader put back.
///
/// Guarantees staleness bounded by the delay, as long as every lag and every
/// reader's pause is shorter than the delay. A longer lag breaks it for the
/// entry's time to live; so does a crash of the client before the second
/// delete, which waits in its memory only.
#[derive(Clone, Copy, Debug)]
pub struct DoubleDelete {
    /// How it reads.
    pub aside: Aside,
    /// How long after the answer the second delete comes.
    pub delay: Duration,
}

const DELAY: OptionSpec = OptionSpec {
    name: "delay",
    default: "500ms",
    help: "how long after the answer the entry is deleted again; make it longer than any lag",
};

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "double-delete",
    summary: "write: delete, update the primary, answer; delete again a little later",
    source: file!(),
    options: &[FILL, TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, DELAY],
    build: |options| {
        let aside = Aside::from_options(options)?;
        Ok(Arc::new(DoubleDelete { aside, delay: options.duration("delay")? }))
    },
};

impl Strategy for DoubleDelete {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.aside.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        self.aside.invalidate(session, key).await?;
        let version = session.primary().write(key, value).await?;
        session.later(self.delay, "delete", key, None);
        Ok(version)
    }
    async fn work(&self, session: &mut Session, job: Job) -> Result<(), StoreError> {
        self.aside.invalidate(session, job.key).await
    }
}
