//! Read-aside and its choices, which most strategies share.

use std::time::Duration;

use quarrel_checkers::Key;
use quarrel_harness::{
    stores::{Item, Request, Row, StoreError},
    strategy::{OptionError, OptionSpec, Options, Session},
};

/// Where a miss is filled from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The replica, to spare the primary: what most applications do.
    Replica,
    /// The primary.
    Primary,
}

impl Fill {
    /// From the option [`FILL`].
    ///
    /// # Errors
    ///
    /// When it makes no sense.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        Ok(match options.choice("fill", &["replica", "primary"])? {
            0 => Self::Replica,
            _ => Self::Primary,
        })
    }

    /// The row from there.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn read(self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        match self {
            Self::Replica => session.replica().read(key).await,
            Self::Primary => session.primary().read(key).await,
        }
    }
}

/// What a read does when the cache does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCacheError {
    /// It asks the database, as if it had missed: what most applications do.
    FallThrough,
    /// It fails.
    Fail,
}

impl OnCacheError {
    /// From the option [`ON_CACHE_ERROR`].
    ///
    /// # Errors
    ///
    /// When it makes no sense.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        Ok(match options.choice("on-cache-error", &["fall-through", "fail"])? {
            0 => Self::FallThrough,
            _ => Self::Fail,
        })
    }
}

/// What a write does when the cache does not answer its invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// It is acknowledged all the same: what most applications do, as the
    /// database has committed and the entry will expire.
    Swallow,
    /// It tries so many times more, then is acknowledged all the same.
    Retry(u32),
    /// It fails, though the database has committed.
    Fail,
}

/// Read-aside, which most strategies share: look in the cache; on a miss read
/// the database and put what it says into the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Where a miss is filled from.
    pub fill: Fill,
    /// How long an entry lives.
    pub ttl: Duration,
    /// What a read does without the cache.
    pub on_cache_error: OnCacheError,
    /// What a write does without the cache.
    pub unheard: Unheard,
}

/// How long an entry lives.
pub const TTL: OptionSpec =
    OptionSpec { name: "ttl", default: "3s", help: "how long a cache entry lives" };
/// Where a miss is filled from.
pub const FILL: OptionSpec = OptionSpec {
    name: "fill",
    default: "replica",
    help: "where a miss is filled from: replica or primary",
};
/// The same, for strategies whose promise needs the primary.
pub const FILL_PRIMARY: OptionSpec = OptionSpec {
    name: "fill",
    default: "primary",
    help: "where a miss is filled from: replica or primary",
};
/// What a read does without the cache.
pub const ON_CACHE_ERROR: OptionSpec = OptionSpec {
    name: "on-cache-error",
    default: "fall-through",
    help: "what a read does when the cache does not answer: fall-through (to the database) or fail",
};
/// What a write does without the cache.
pub const ON_LOST_INVALIDATION: OptionSpec = OptionSpec {
    name: "on-lost-invalidation",
    default: "swallow",
    help: "what a write does when the cache does not answer: swallow, retry (3 times) or fail",
};

/// The options that [`Aside::from_options`] reads.
pub const OPTIONS: &[OptionSpec] = &[FILL, TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION];

/// The options that [`Aside::filled_from`] reads.
pub const FIXED_FILL_OPTIONS: &[OptionSpec] = &[TTL, ON_CACHE_ERROR, ON_LOST_INVALIDATION];

impl Aside {
    /// From the options [`OPTIONS`].
    ///
    /// # Errors
    ///
    /// When one of them makes no sense.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        Self::filled_from(Fill::from_options(options)?, options)
    }

    /// From all of [`OPTIONS`] but [`FILL`].
    ///
    /// # Errors
    ///
    /// When one of them makes no sense.
    pub fn filled_from(fill: Fill, options: &Options) -> Result<Self, OptionError> {
        let on_cache_error = OnCacheError::from_options(options)?;
        let words = ["swallow", "retry", "fail"];
        let unheard = match options.choice("on-lost-invalidation", &words)? {
            0 => Unheard::Swallow,
            1 => Unheard::Retry(3),
            _ => Unheard::Fail,
        };
        Ok(Self { fill, ttl: options.duration("ttl")?, on_cache_error, unheard })
    }

    /// Read-aside.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or the cache does not and reads are
    /// told to fail then.
    pub async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.read_filling(session, key, self.fill).await
    }

    /// Read-aside with a miss filled from `fill`.
    ///
    /// # Errors
    ///
    /// As [`Aside::read`].
    pub async fn read_filling(
        &self,
        session: &mut Session,
        key: Key,
        fill: Fill,
    ) -> Result<Option<Row>, StoreError> {
        match session.cache().get_row(key).await {
            Ok(Some(row)) => return Ok(Some(row)),
            Ok(None) => {}
            Err(error) if self.on_cache_error == OnCacheError::Fail => return Err(error),
            // The cache is out of reach; filling it would only wait again.
            Err(_) => return fill.read(session, key).await,
        }
        let row = fill.read(session, key).await?;
        if let Some(row) = row.clone() {
            // A fill that fails costs the next reader a miss, no more.
            drop(session.cache().set_row(key, row, Some(self.ttl)).await);
        }
        Ok(row)
    }

    /// Deletes the entry of `key`, as often as the strategy tries.
    ///
    /// # Errors
    ///
    /// When the cache does not answer and writes are told to fail then.
    pub async fn invalidate(&self, session: &mut Session, key: Key) -> Result<(), StoreError> {
        self.tell(session, Request::CacheDel(Item::entry(key))).await
    }

    /// Tells the cache what a write means for it, as often as the strategy
    /// tries.
    ///
    /// # Errors
    ///
    /// When the cache does not answer and writes are told to fail then.
    pub async fn tell(&self, session: &mut Session, request: Request) -> Result<(), StoreError> {
        let attempts = match self.unheard {
            Unheard::Retry(more) => 1 + more,
            Unheard::Swallow | Unheard::Fail => 1,
        };
        let mut last = Ok(());
        for _ in 0..attempts {
            last = session.call(request.clone()).await.map(drop);
            if last.is_ok() {
                break;
            }
        }
        if self.unheard == Unheard::Fail { last } else { Ok(()) }
    }
}
