use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Content, Key, Value};
use quarrel_harness::{
    stores::{Item, Row, ScriptCall, StoreError},
    strategy::{OptionSpec, Session, Strategy, StrategyEntry},
};

use super::{
    aside::{Aside, FILL_PRIMARY, ON_CACHE_ERROR, ON_LOST_INVALIDATION, OnCacheError, TTL},
    scripts::{UNLOCK, token},
};

/// Only one reader at a time fills an entry; the others wait for its fill.
///
/// It spares the database stampedes and guarantees nothing about staleness:
/// the holder of the lock carries its row across a write and its delete like
/// any other reader, as writes do not take the lock.
#[derive(Clone, Copy, Debug)]
pub struct Singleflight {
    /// How it reads.
    pub aside: Aside,
    /// How long the lock lives.
    pub lock: Duration,
}

/// How often a reader looks for the fill of another, and how long it waits in
/// between.
const LOOKS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);

const LOCK: OptionSpec =
    OptionSpec { name: "lock", default: "1s", help: "how long the lock to fill an entry lives" };

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "singleflight",
    summary: "a miss takes a lock, looks again, reads the primary and fills; others wait for it",
    source: file!(),
    options: &[FILL_PRIMARY, TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, LOCK],
    build: |options| {
        let aside = Aside::from_options(options)?;
        Ok(Arc::new(Singleflight { aside, lock: options.duration("lock")? }))
    },
};

impl Strategy for Singleflight {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let token = token(session);
        let lock = Item::named("lock", key);
        for _ in 0..LOOKS {
            match session.cache().get_row(key).await {
                Ok(Some(row)) => return Ok(Some(row)),
                Ok(None) => {}
                Err(error) if self.aside.on_cache_error == OnCacheError::Fail => return Err(error),
                Err(_) => return self.aside.fill.read(session, key).await,
            }
            let content = Content::Number(token);
            match session.cache().set_if_absent(lock, content, Some(self.lock)).await {
                Ok(true) => {
                    let row = self.aside.read(session, key).await;
                    let mut call = ScriptCall::on([lock]);
                    call.number = Some(token);
                    // A lock that stays expires.
                    drop(session.cache().script(&UNLOCK, call).await);
                    return row;
                }
                Ok(false) => session.sleep(PAUSE).await?,
                Err(_) => break,
            }
        }
        // The holder takes too long: read without filling.
        self.aside.fill.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value).await?;
        self.aside.invalidate(session, key).await?;
        Ok(version)
    }
}
