use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Invalidation, Key, Value};
use quarrel_harness::{
    stores::{Item, Row, StoreError},
    strategy::{OptionSpec, Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, FILL, Fill, ON_CACHE_ERROR, OnCacheError, TTL, Unheard};

/// Writes do not touch the cache. To spare the database a stampede when an
/// entry expires, each reader may refresh it before, with a probability that
/// rises towards the expiry (XFetch: Vattani, Chierichetti & Lowenstein, VLDB
/// 2015): it does if the remaining life is less than `cost · -ln(random)`.
///
/// Guarantees the same bound as `ttl-only`: nothing older than the time to
/// live plus the lag of the source. Stale by design in between.
#[derive(Clone, Copy, Debug)]
pub struct EarlyExpiry {
    /// How it reads.
    pub aside: Aside,
    /// How long making an entry takes, times the eagerness.
    pub cost: Duration,
}

const COST: OptionSpec = OptionSpec {
    name: "cost",
    default: "100ms",
    help: "how long making an entry takes; a longer one is refreshed earlier",
};

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "early-expiry",
    summary: "a reader refreshes an entry early, the likelier the nearer its expiry (XFetch)",
    source: file!(),
    options: &[FILL, TTL, ON_CACHE_ERROR, COST],
    build: |options| {
        let (fill, on_cache_error) =
            (Fill::from_options(options)?, OnCacheError::from_options(options)?);
        let ttl = options.duration("ttl")?;
        let aside = Aside { fill, ttl, on_cache_error, unheard: Unheard::Swallow };
        Ok(Arc::new(EarlyExpiry { aside, cost: options.duration("cost")? }))
    },
};

/// A random number above 0 and not above 1.
fn draw(session: &mut Session) -> f64 {
    use rand_chacha::rand_core::Rng as _;
    (f64::from(session.random().next_u32()) + 1.0) / 4_294_967_296.0
}

impl Strategy for EarlyExpiry {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        let row = self.aside.read(session, key).await?;
        let Ok(Some(Some(left))) = session.cache().ttl(Item::entry(key)).await else {
            return Ok(row);
        };
        if left >= self.cost.mul_f64(-draw(session).ln()) {
            return Ok(row);
        }
        let fresh = self.aside.fill.read(session, key).await?;
        if let Some(fresh) = fresh.clone() {
            drop(session.cache().set_row(key, fresh, Some(self.aside.ttl)).await);
        }
        Ok(fresh)
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        session.primary().write(key, value).await
    }

    fn invalidation(&self) -> Invalidation {
        Invalidation::ByExpiry
    }
}
