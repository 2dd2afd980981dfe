use std::{future::Future, pin::Pin};

use quarrel_checkers::{Invalidation, Key, Value};

use super::{AgentTurn, Job, Session};
use crate::stores::{Row, StoreError};

/// A caching strategy: how an application reads and writes a row that has a
/// copy in the cache.
///
/// Implement it with `async fn`. The shortest strategy reads and writes the
/// primary and never goes wrong:
///
/// ```
/// use quarrel_checkers::{Key, Value};
/// use quarrel_strategy::{
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
    /// that there never was one. A row that was deleted keeps its version and
    /// has the value nil: a write of nil deletes.
    fn read(
        &self,
        session: &mut Session,
        key: Key,
    ) -> impl Future<Output = Result<Option<Row>, StoreError>> + Send;

    /// Makes `value` the value of `key`; the version that the primary gave it,
    /// or 0 if the primary has not seen it yet (write-behind). Returning `Ok`
    /// acknowledges the write to the user.
    fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Makes `value` the value of `key` on the grounds of what was read at
    /// version `base`; none, with nothing changed, if the strategy looks and
    /// finds the row changed since. Most applications do not look.
    fn update(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
        base: u64,
    ) -> impl Future<Output = Result<Option<u64>, StoreError>> + Send {
        let _ = base;
        async move { self.write(session, key, value).await.map(Some) }
    }

    /// The rows of two keys that belong together, as the application would show
    /// them on one page: one after the other, unless the strategy knows better.
    fn read_pair(
        &self,
        session: &mut Session,
        keys: [Key; 2],
    ) -> impl Future<Output = Result<[Option<Row>; 2], StoreError>> + Send {
        async move {
            let [first, second] = keys;
            Ok([self.read(session, first).await?, self.read(session, second).await?])
        }
    }

    /// Makes two values that belong together the values of two keys; the
    /// versions that the primary gave them, as in [`Strategy::write`]. One
    /// after the other, unless the strategy writes both in one transaction.
    fn write_pair(
        &self,
        session: &mut Session,
        writes: [(Key, Value); 2],
    ) -> impl Future<Output = Result<[u64; 2], StoreError>> + Send {
        async move {
            let [(first, one), (second, other)] = writes;
            let first = self.write(session, first, one).await?;
            Ok([first, self.write(session, second, other).await?])
        }
    }

    /// Makes the stores ready, before the first operation of a run: a
    /// replication slot, a table.
    fn prepare(
        &self,
        session: &mut Session,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let _ = session;
        async { Ok(()) }
    }

    /// Takes away what [`Strategy::prepare`] made, after the last operation.
    fn finish(&self, session: &mut Session) -> impl Future<Output = Result<(), StoreError>> + Send {
        let _ = session;
        async { Ok(()) }
    }

    /// The background agents that run beside the clients, by name: an outbox
    /// relay, a listener. Agent `n` is the process `agent-n`.
    fn agents(&self) -> &'static [&'static str] {
        &[]
    }

    /// One turn of a background agent, by its position in
    /// [`Strategy::agents`]. It is called again and again; after an error, or
    /// when the agent crashed, with a new session.
    fn turn(
        &self,
        session: &mut Session,
        agent: usize,
    ) -> impl Future<Output = Result<AgentTurn, StoreError>> + Send {
        let _ = (session, agent);
        async { Ok(AgentTurn::Idle) }
    }

    /// Does a job that a session took with [`Session::later`].
    fn work(
        &self,
        session: &mut Session,
        job: Job,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let _ = (session, job);
        async { Ok(()) }
    }

    /// Who keeps the cache in step with a write: its writer, unless there are
    /// agents to do it. A strategy whose writes leave the cache alone on
    /// purpose says so here, or it is told that it forgot.
    fn invalidation(&self) -> Invalidation {
        if self.agents().is_empty() { Invalidation::ByWriter } else { Invalidation::ByAgent }
    }

    /// How an operator changes a row beside the application; the new version.
    /// Plain SQL, unless the strategy offers something better.
    fn manual(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        async move { session.primary().write(key, value).await }
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A [`Strategy`] of any type, behind a pointer. Every strategy is one.
pub trait AnyStrategy: Send + Sync + 'static {
    /// [`Strategy::read`].
    fn read<'a>(&'a self, session: &'a mut Session, key: Key) -> Answer<'a, Option<Row>>;

    /// [`Strategy::write`].
    fn write<'a>(&'a self, session: &'a mut Session, key: Key, value: Value) -> Answer<'a, u64>;

    /// [`Strategy::update`].
    fn update<'a>(
        &'a self,
        session: &'a mut Session,
        key: Key,
        value: Value,
        base: u64,
    ) -> Answer<'a, Option<u64>>;

    /// [`Strategy::read_pair`].
    fn read_pair<'a>(
        &'a self,
        session: &'a mut Session,
        keys: [Key; 2],
    ) -> Answer<'a, [Option<Row>; 2]>;

    /// [`Strategy::write_pair`].
    fn write_pair<'a>(
        &'a self,
        session: &'a mut Session,
        writes: [(Key, Value); 2],
    ) -> Answer<'a, [u64; 2]>;

    /// [`Strategy::prepare`].
    fn prepare<'a>(&'a self, session: &'a mut Session) -> Answer<'a, ()>;

    /// [`Strategy::finish`].
    fn finish<'a>(&'a self, session: &'a mut Session) -> Answer<'a, ()>;

    /// [`Strategy::agents`].
    fn agents(&self) -> &'static [&'static str];

    /// [`Strategy::invalidation`].
    fn invalidation(&self) -> Invalidation;

    /// [`Strategy::turn`].
    fn turn<'a>(&'a self, session: &'a mut Session, agent: usize) -> Answer<'a, AgentTurn>;

    /// [`Strategy::work`].
    fn work<'a>(&'a self, session: &'a mut Session, job: Job) -> Answer<'a, ()>;

    /// [`Strategy::manual`].
    fn manual<'a>(&'a self, session: &'a mut Session, key: Key, value: Value) -> Answer<'a, u64>;
}

impl<S: Strategy> AnyStrategy for S {
    fn read<'a>(&'a self, session: &'a mut Session, key: Key) -> Answer<'a, Option<Row>> {
        Box::pin(Strategy::read(self, session, key))
    }

    fn write<'a>(&'a self, session: &'a mut Session, key: Key, value: Value) -> Answer<'a, u64> {
        Box::pin(Strategy::write(self, session, key, value))
    }
    fn update<'a>(
        &'a self,
        session: &'a mut Session,
        key: Key,
        value: Value,
        base: u64,
    ) -> Answer<'a, Option<u64>> {
        Box::pin(Strategy::update(self, session, key, value, base))
    }

    fn read_pair<'a>(
        &'a self,
        session: &'a mut Session,
        keys: [Key; 2],
    ) -> Answer<'a, [Option<Row>; 2]> {
        Box::pin(Strategy::read_pair(self, session, keys))
    }

    fn write_pair<'a>(
        &'a self,
        session: &'a mut Session,
        writes: [(Key, Value); 2],
    ) -> Answer<'a, [u64; 2]> {
        Box::pin(Strategy::write_pair(self, session, writes))
    }

    fn prepare<'a>(&'a self, session: &'a mut Session) -> Answer<'a, ()> {
        Box::pin(Strategy::prepare(self, session))
    }

    fn finish<'a>(&'a self, session: &'a mut Session) -> Answer<'a, ()> {
        Box::pin(Strategy::finish(self, session))
    }

    fn agents(&self) -> &'static [&'static str] {
        Strategy::agents(self)
    }

    fn invalidation(&self) -> Invalidation {
        Strategy::invalidation(self)
    }

    fn turn<'a>(&'a self, session: &'a mut Session, agent: usize) -> Answer<'a, AgentTurn> {
        Box::pin(Strategy::turn(self, session, agent))
    }

    fn work<'a>(&'a self, session: &'a mut Session, job: Job) -> Answer<'a, ()> {
        Box::pin(Strategy::work(self, session, job))
    }

    fn manual<'a>(&'a self, session: &'a mut Session, key: Key, value: Value) -> Answer<'a, u64> {
        Box::pin(Strategy::manual(self, session, key, value))
    }
}
