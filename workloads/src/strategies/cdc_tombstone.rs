use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Content, Key, Value};
use quarrel_harness::{
    stores::{Feed, Row, StoreError},
    strategy::{AgentTurn, Session, Strategy, StrategyEntry},
};

use super::{
    aside::{Aside, FILL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, TTL},
    tombstone::{LIFE, Tombstone},
    version_guard::compare_and_set,
};

/// The relay of `cdc` leaves the tombstones of `tombstone`: fills older than
/// what was relayed are refused.
///
/// Guarantees convergence as fast as the relay is, without the lagging
/// replica's refills: no stale entry outlives the relay's delay plus nothing.
/// Reads in the window between the acknowledgement and the tombstone are stale
/// all the same; a lag longer than a tombstone's life, and a cache that loses
/// its tombstones, break it.
#[derive(Clone, Copy, Debug)]
pub struct CdcTombstone {
    /// How it reads, and how long tombstones live.
    pub tombstone: Tombstone,
}

/// How many changes the agent takes at a time.
const BATCH: u32 = 100;

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "cdc-tombstone",
    summary: "write: update; a relay on the log leaves tombstones with versions",
    source: file!(),
    options: &[FILL, TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, LIFE],
    build: |options| {
        let aside = Aside::from_options(options)?;
        let tombstone = Tombstone { aside, life: options.duration("tombstone")? };
        Ok(Arc::new(CdcTombstone { tombstone }))
    },
};

impl Strategy for CdcTombstone {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.tombstone.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        session.primary().write(key, value).await
    }
    async fn prepare(&self, session: &mut Session) -> Result<(), StoreError> {
        session.primary().feed_open(Feed::Slot).await
    }

    async fn finish(&self, session: &mut Session) -> Result<(), StoreError> {
        session.primary().feed_close(Feed::Slot).await
    }

    fn agents(&self) -> &'static [&'static str] {
        &["relay"]
    }

    async fn turn(&self, session: &mut Session, _agent: usize) -> Result<AgentTurn, StoreError> {
        let changes = session.primary().feed_poll(Feed::Slot, BATCH, Duration::ZERO).await?;
        if changes.is_empty() {
            return Ok(AgentTurn::Idle);
        }
        for change in &changes {
            let tombstone = compare_and_set(
                change.key,
                Content::Tombstone(change.version),
                self.tombstone.life,
            );
            session.call(tombstone).await?;
        }
        session.primary().feed_ack(Feed::Slot, &changes).await?;
        Ok(AgentTurn::Worked)
    }
}
