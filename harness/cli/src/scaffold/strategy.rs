//! The strategy: replace it by what your application does.

use std::{io, sync::Arc, time::Duration};

use quarrel_checkers::{Key, Object, Reply, Site, Value};
use quarrel_harness::{
    stores::{Item, Row, StoreError},
    strategy::{Call, OptionError, OptionSpec, Options, Session, Strategy, StrategyEntry},
};

/// How long a cache entry lives.
const TTL: Duration = Duration::from_secs(3);

/// Replace this by what your application does: every call through the session
/// is recorded, can be held at a gate, and is a place where faults strike.
pub struct MyCache {
    /// Whether a miss asks the primary, and not the replica.
    fills_from_primary: bool,
    /// What a write tells besides, if anything.
    index: Option<SearchIndex>,
}

/// Its options: `quarrel run my-cache --fill primary --index on`.
const OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "fill", default: "replica", help: "who fills a miss: replica or primary" },
    OptionSpec { name: "index", default: "off", help: "whether a write tells an index: on or off" },
];

/// Its place in the catalogue.
pub const ENTRY: StrategyEntry = StrategyEntry {
    name: "my-cache",
    summary: "write: update the primary, delete the entry; read: the cache, a miss fills it",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(MyCache::from_options(options)?)),
};

impl MyCache {
    fn from_options(options: &Options) -> Result<Self, OptionError> {
        Ok(Self {
            fills_from_primary: options.choice("fill", &["replica", "primary"])? == 1,
            index: (options.choice("index", &["off", "on"])? == 1).then_some(SearchIndex),
        })
    }
}

impl Strategy for MyCache {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        if let Some(row) = session.cache().get_row(key).await? {
            return Ok(Some(row));
        }
        let row = match self.fills_from_primary {
            true => session.primary().read(key).await?,
            false => session.replica().read(key).await?,
        };
        if let Some(row) = row.clone() {
            session.cache().set_row(key, row, Some(TTL)).await?;
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
        if let Some(index) = &self.index {
            tell(index, session, key).await?;
        }
        session.cache().del(Item::entry(key)).await?;
        Ok(version)
    }
}

/// A client library of your own, of which quarrel knows nothing. Yours sends a
/// request; this one has nobody to send it to.
struct SearchIndex;

impl SearchIndex {
    async fn changed(&self, _key: Key) -> io::Result<()> {
        Ok(())
    }
}

/// A call through it becomes a step, `TELL 7 -> ok`, by `session.step`: a storm
/// records it, and strikes before and behind it. A search tries orders of calls
/// to the three stores, which it has in simulation, and lets this one pass.
async fn tell(index: &SearchIndex, session: &mut Session, key: Key) -> Result<(), StoreError> {
    let call = Call {
        // Or the store that it goes to, if it is one of the three.
        site: Site::Client,
        verb: "TELL".into(),
        object: Some(Object::of(key)),
        argument: None,
    };
    // Only what surely did nothing is `StoreError::refused`.
    let told = async {
        index.changed(key).await.map_err(|e| StoreError::unknown(Site::Client, e.to_string()))
    };
    session.step(call, told, |()| Reply::Done { version: None }).await
}

#[cfg(test)]
mod tests {
    use quarrel_harness::{
        explore::{Bounds, report},
        strategy::AnyStrategy,
    };

    use super::*;

    /// The explorer tries every interleaving of a few operations while the
    /// replica is behind, and finds the refill of an old row. Once you have
    /// mended the strategy, turn this around: `assert!(found.finding.is_none())`.
    #[test]
    fn a_replica_that_is_behind_breaks_it() {
        let make = || -> Arc<dyn AnyStrategy> {
            Arc::new(MyCache { fills_from_primary: false, index: None })
        };
        let found = report(&make, ENTRY.name, &[], &Bounds::default()).unwrap();
        println!("{found}");
        assert!(found.finding.is_some());
    }
}
