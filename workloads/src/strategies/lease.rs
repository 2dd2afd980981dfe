use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Content, Key, Value};
use quarrel_harness::{
    stores::{Item, Request, Row, ScriptCall, StoreError},
    strategy::{OptionSpec, Session, Strategy, StrategyEntry},
};

use super::{
    aside::{Aside, FILL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, OnCacheError, TTL},
    scripts::{self, LEASE, VOID, token},
};

/// Leases as in memcache at Facebook (Nishtala et al., NSDI 2013): a miss gets
/// a token, a write deletes the entry and voids the token, and a fill counts
/// only with a valid one. While one reader holds the lease, others read the
/// database without filling.
///
/// Guarantees that a reader cannot carry an old row across a write and its
/// delete (the in-flight refill), and spares the database stampedes. It does
/// not know about replicas: with `--fill replica` a fill after the write
/// brings the lagging replica's row, with a valid token. A delete that did not
/// arrive leaves the entry stale until its time to live is over.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// How it reads.
    pub aside: Aside,
    /// How long a lease lives.
    pub life: Duration,
}

/// How long a lease lives.
pub(super) const LIFE: OptionSpec =
    OptionSpec { name: "lease", default: "1s", help: "how long a lease to fill an entry lives" };

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "lease",
    summary: "a miss takes a lease and may fill only while no write has voided it",
    source: file!(),
    options: &[FILL, TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, LIFE],
    build: |options| {
        let aside = Aside::from_options(options)?;
        Ok(Arc::new(Lease { aside, life: options.duration("lease")? }))
    },
};

fn items(key: Key) -> [Item; 2] {
    [Item::entry(key), Item::named("lease", key)]
}

/// Fills an entry with a token.
pub(super) fn fill(items: [Item; 2], row: Row, token: u64, ttl: Duration) -> Request {
    let mut call = ScriptCall::on(items);
    call.content = Some(row.into());
    call.number = Some(token);
    call.ttl = Some(ttl);
    Request::CacheScript { script: &scripts::FILL, call }
}

impl Strategy for Lease {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let token = token(session);
        let mut ask = ScriptCall::on(items(key));
        ask.number = Some(token);
        ask.ttl = Some(self.life);
        match session.cache().script(&LEASE, ask).await {
            Ok(Some(Content::Row { value, version })) => return Ok(Some(Row { value, version })),
            Ok(Some(Content::Number(_))) => {}
            // Somebody else fills; asking the database is cheaper than waiting.
            Ok(_) => return self.aside.fill.read(session, key).await,
            Err(error) if self.aside.on_cache_error == OnCacheError::Fail => return Err(error),
            Err(_) => return self.aside.fill.read(session, key).await,
        }
        let row = self.aside.fill.read(session, key).await?;
        if let Some(row) = row.clone() {
            drop(session.call(fill(items(key), row, token, self.aside.ttl)).await);
        }
        Ok(row)
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value).await?;
        let call = ScriptCall::on(items(key));
        self.aside.tell(session, Request::CacheScript { script: &VOID, call }).await?;
        Ok(version)
    }
}
