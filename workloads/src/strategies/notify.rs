use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Feed, Item, Request, Row, StoreError},
    strategy::{AgentTurn, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS};

/// The primary tells a listener of every write when it commits.
///
/// As `outbox` while the listener listens. What is said while its connection
/// is broken or it is dead is lost for good, and its entry stale until its
/// time to live is over: a broadcast is no queue.
#[derive(Clone, Copy, Debug)]
pub struct Notify(pub Aside);

/// How many changes the agent takes at a time.
const BATCH: u32 = 100;

/// How long a turn waits for something to be said.
const WAIT: Duration = Duration::from_millis(50);

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "notify",
    summary: "write: update and NOTIFY; a listener deletes entries",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(Notify(Aside::from_options(options)?))),
};

impl Strategy for Notify {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        session.primary().write_notify(key, value).await
    }

    async fn prepare(&self, session: &mut Session) -> Result<(), StoreError> {
        session.primary().feed_open(Feed::Notify).await
    }

    fn agents(&self) -> &'static [&'static str] {
        &["listener"]
    }

    async fn turn(&self, session: &mut Session, _agent: usize) -> Result<AgentTurn, StoreError> {
        let changes = session.primary().feed_poll(Feed::Notify, BATCH, WAIT).await?;
        if changes.is_empty() {
            return Ok(AgentTurn::Idle);
        }
        for change in &changes {
            session.call(Request::CacheDel(Item::entry(change.key))).await?;
        }
        Ok(AgentTurn::Worked)
    }
}
