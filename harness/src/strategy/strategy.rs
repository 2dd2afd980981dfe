use std::{future::Future, pin::Pin};

use quarrel_checkers::{Key, Value};

use super::Session;
use crate::stores::{Row, StoreError};

/// A caching strategy: how an application reads and writes a row that has a
/// copy in the cache.
///
/// Implement it with `async fn`. The shortest strategy reads and writes the
/// primary and never goes wrong:
///
/// ```
/// use quarrel_checkers::{Key, Value};
/// use quarrel_harness::{
///     stores::{Row, StoreError},
///     strategy::{Session, Strategy},
/// };
///
/// struct PrimaryOnly;
///
/// impl Strategy for PrimaryOnly {
///     async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
///         session.primary().read(key).await
///     }
///
///     async fn write(
///         &self,
///         session: &mut Session,
///         key: Key,
///         value: Value,
///     ) -> Result<u64, StoreError> {
///         session.primary().write(key, value).await
///     }
/// }
/// ```
pub trait Strategy: Send + Sync + 'static {
    /// The row of `key` as the application would show it; none if it believes
    /// that there is none.
    fn read(
        &self,
        session: &mut Session,
        key: Key,
    ) -> impl Future<Output = Result<Option<Row>, StoreError>> + Send;

    /// Makes `value` the value of `key`; the version that the primary gave it.
    /// Returning `Ok` acknowledges the write to the user.
    fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A [`Strategy`] of any type, behind a pointer. Every strategy is one.
pub trait AnyStrategy: Send + Sync + 'static {
    /// [`Strategy::read`].
    fn read<'a>(&'a self, session: &'a mut Session, key: Key) -> Answer<'a, Option<Row>>;

    /// [`Strategy::write`].
    fn write<'a>(&'a self, session: &'a mut Session, key: Key, value: Value) -> Answer<'a, u64>;
}

impl<S: Strategy> AnyStrategy for S {
    fn read<'a>(&'a self, session: &'a mut Session, key: Key) -> Answer<'a, Option<Row>> {
        Box::pin(Strategy::read(self, session, key))
    }

    fn write<'a>(&'a self, session: &'a mut Session, key: Key, value: Value) -> Answer<'a, u64> {
        Box::pin(Strategy::write(self, session, key, value))
    }
}
