use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Feed, Item, Request, Row, StoreError},
    strategy::{AgentTurn, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS};

/// The relay reads the database's own log, so every change reaches it: the
/// application's, an operator's, whoever's.
///
/// As `outbox`, and manual changes are invalidated too. The same window after
/// the acknowledgement, the same refills from a lagging replica. A failover
/// loses the slot (before Postgres 17), and with it what had not been relayed.
#[derive(Clone, Copy, Debug)]
pub struct Cdc(pub Aside);

/// How many changes the agent takes at a time.
const BATCH: u32 = 100;

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "cdc",
    summary: "write: update; a logical replication slot tells a relay what to delete",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(Cdc(Aside::from_options(options)?))),
};

impl Strategy for Cdc {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.read(session, key).await
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
            session.call(Request::CacheDel(Item::entry(change.key))).await?;
        }
        session.primary().feed_ack(Feed::Slot, &changes).await?;
        Ok(AgentTurn::Worked)
    }
}
