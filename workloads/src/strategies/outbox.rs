use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Feed, Item, Request, Row, StoreError},
    strategy::{AgentTurn, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS};

/// The invalidation is committed together with the row, and a relay carries it
/// out until it has happened.
///
/// Guarantees that no invalidation is lost: not by a crashing client, not by
/// a cache that is away for a while. The price is a window between the
/// acknowledgement and the delete, in which even the writer reads the old
/// entry; it is as long as the relay is slow or dead. Refills from a lagging
/// replica or by a slow reader, after the delete, stay as in `cache-aside`;
/// SQL by hand writes no outbox row.
#[derive(Clone, Copy, Debug)]
pub struct Outbox(pub Aside);

/// How many changes the agent takes at a time.
const BATCH: u32 = 100;

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "outbox",
    summary: "write: update and a row in the outbox, in one transaction; a relay deletes entries",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(Outbox(Aside::from_options(options)?))),
};

impl Strategy for Outbox {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        session.primary().write_outbox(key, value).await
    }
    async fn prepare(&self, session: &mut Session) -> Result<(), StoreError> {
        session.primary().feed_open(Feed::Outbox).await
    }

    async fn finish(&self, session: &mut Session) -> Result<(), StoreError> {
        session.primary().feed_close(Feed::Outbox).await
    }

    fn agents(&self) -> &'static [&'static str] {
        &["relay"]
    }

    async fn turn(&self, session: &mut Session, _agent: usize) -> Result<AgentTurn, StoreError> {
        let changes = session.primary().feed_poll(Feed::Outbox, BATCH, Duration::ZERO).await?;
        if changes.is_empty() {
            return Ok(AgentTurn::Idle);
        }
        for change in &changes {
            session.call(Request::CacheDel(Item::entry(change.key))).await?;
        }
        session.primary().feed_ack(Feed::Outbox, &changes).await?;
        Ok(AgentTurn::Worked)
    }
}
