use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Content, Key, Site, Value};
use quarrel_harness::{
    stores::{Item, Request, Row, ScriptCall, StoreError},
    strategy::{OptionSpec, Session, Strategy, StrategyEntry},
};

use super::{
    aside::{Aside, FILL_PRIMARY, ON_CACHE_ERROR, ON_LOST_INVALIDATION, OnCacheError, TTL},
    lease::{LIFE, fill},
    scripts::{LEASE_UNLESS_QUARANTINED, QUARANTINE, RELEASE, token},
};

/// The IQ framework's leases (Ghandeharizadeh, Yap & Nguyen, Middleware 2014):
/// a write quarantines the entry before it touches the database, so that
/// nobody fills until it is over. While quarantined, reads go to the primary.
///
/// Guarantees linearizability with `--fill primary`, also when the writer's
/// delete is lost or the writer crashes: the entry was deleted *before* the
/// commit, and the quarantine expires. What breaks it: a quarantine that
/// expires while its writer is still under way (a long pause, a slow commit),
/// a cache that loses it, and a lagging replica as the source of fills.
/// A write that cannot quarantine writes nothing.
#[derive(Clone, Copy, Debug)]
pub struct IqLease {
    /// How it reads.
    pub aside: Aside,
    /// How long a lease to fill lives.
    pub life: Duration,
    /// The longest quarantine.
    pub quarantine: Duration,
}

const QUARANTINE_LIFE: OptionSpec = OptionSpec {
    name: "quarantine",
    default: "5s",
    help: "the longest that a write may keep an entry from being filled",
};

/// How often a write asks for the quarantine that another one holds, and how
/// long it waits in between.
const ATTEMPTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(3);

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "iq-lease",
    summary: "write: quarantine the entry, update, delete and release; no fill while quarantined",
    source: file!(),
    options: &[FILL_PRIMARY, TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION, LIFE, QUARANTINE_LIFE],
    build: |options| {
        let aside = Aside::from_options(options)?;
        let (life, quarantine) = (options.duration("lease")?, options.duration("quarantine")?);
        Ok(Arc::new(IqLease { aside, life, quarantine }))
    },
};

fn items(key: Key) -> [Item; 3] {
    [Item::entry(key), Item::named("lease", key), Item::named("quarantine", key)]
}

impl IqLease {
    async fn acquire(&self, session: &mut Session, key: Key, token: u64) -> Result<(), StoreError> {
        let mut call = ScriptCall::on(items(key));
        call.number = Some(token);
        call.ttl = Some(self.quarantine);
        for _ in 0..ATTEMPTS {
            match session.cache().script(&QUARANTINE, call.clone()).await {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => session.sleep(PAUSE).await?,
                // The quarantine may stand, but nothing was written: for the
                // row this error is definite.
                Err(error) => return Err(StoreError::refused(error.site, error.message)),
            }
        }
        Err(StoreError::refused(Site::Cache, "the entry stayed quarantined by others"))
    }
}

impl Strategy for IqLease {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let token = token(session);
        let mut ask = ScriptCall::on(items(key));
        ask.number = Some(token);
        ask.ttl = Some(self.life);
        match session.cache().script(&LEASE_UNLESS_QUARANTINED, ask).await {
            Ok(Some(Content::Row { value, version })) => return Ok(Some(Row { value, version })),
            Ok(Some(Content::Number(0)) | None) => return session.primary().read(key).await,
            Ok(Some(_)) => {}
            Err(error) if self.aside.on_cache_error == OnCacheError::Fail => return Err(error),
            // Nobody can say whether the entry is quarantined.
            Err(_) => return session.primary().read(key).await,
        }
        let row = self.aside.fill.read(session, key).await?;
        if let Some(row) = row.clone() {
            let [entry, lease, _] = items(key);
            drop(session.call(fill([entry, lease], row, token, self.aside.ttl)).await);
        }
        Ok(row)
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let token = token(session);
        self.acquire(session, key, token).await?;
        let version = session.primary().write(key, value).await?;
        let mut call = ScriptCall::on(items(key));
        call.number = Some(token);
        self.aside.tell(session, Request::CacheScript { script: &RELEASE, call }).await?;
        Ok(version)
    }
}
