use quarrel_checkers::{Content, Key, Lsn, Site, Time, Value};
use quarrel_strategy::stores::{Durability, Item, Request, Response, Row, Stale, StoreError};

use super::{Fingerprint, SimCache, SimCommit, SimPrimary, SimReplica, Watcher};

/// What a store does with a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Reaction {
    /// It answers.
    Answer(Result<Response, StoreError>),
    /// It answers later.
    Waits(Wait),
}

/// What a call waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// The replica's word that it has applied everything up to `end`; then the
    /// answer is `response`.
    Acknowledgement {
        /// The end of the commit record.
        end: Lsn,
        /// The answer.
        response: Response,
    },
    /// The lock on a row; then the call is made again.
    Lock(Key),
}

/// Primary, replica and cache at one instant.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Takes writes.
    pub primary: SimPrimary,
    /// Replays them.
    pub replica: SimReplica,
    /// Redis.
    pub cache: SimCache,
    /// The time by which the cache expires entries.
    pub now: Time,
    acknowledged: Lsn,
    acknowledgements: Acknowledgements,
    roles: Roles,
    failovers: u64,
    lost: Vec<SimCommit>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Acknowledgements {
    #[default]
    Flow,
    Held,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Roles {
    #[default]
    Streaming,
    /// The replica was promoted: it is the primary now, and reads of the
    /// replica reach it too.
    Promoted,
}

impl World {
    /// Empty stores.
    #[must_use]
    pub fn new() -> Self {
        let mut world = Self::default();
        world.replica.start_at(world.primary.end());
        world.acknowledged = world.primary.end();
        world
    }

    /// Makes `row` the row of `key` on primary and replica, as if it had been
    /// there for long.
    pub fn seed(&mut self, key: Key, row: Row) {
        self.primary.seed(key, row.clone());
        self.replica.seed(key, row);
    }

    /// Makes a call, at the instant at which the store executes it.
    pub fn apply(&mut self, request: &Request) -> Reaction {
        if let Some(key) = written_keys(request).find(|key| self.primary.locked(*key)) {
            return Reaction::Waits(Wait::Lock(key));
        }
        if let Request::PrimaryWrite { key, value, durability: Durability::RemoteApply } = request
            && self.roles == Roles::Streaming
        {
            let (version, before, end) = self.primary.commit_in_doubt(*key, value.clone());
            let timeline = self.timeline();
            let response = Response::Written { version, lsn: Some(before), timeline };
            return Reaction::Waits(Wait::Acknowledgement { end, response });
        }
        Reaction::Answer(Ok(self.answer(request)))
    }

    /// Makes a call of the client whose connection is `who`.
    pub fn apply_for(&mut self, who: Watcher, request: &Request) -> Reaction {
        let now = self.now;
        let response = match request {
            Request::CacheGetTracked(item) => {
                Response::Content(self.cache.get_tracked(item, who, now).cloned())
            }
            Request::CacheInvalidations => {
                Response::Invalidated(self.cache.invalidations(who, now))
            }
            Request::CacheHear => Response::Invalidated(self.cache.heard(who, now)),
            _ => return self.apply(request),
        };
        Reaction::Answer(Ok(response))
    }

    /// Whether what a call waits for has come.
    #[must_use]
    pub fn ready(&self, wait: &Wait) -> bool {
        match wait {
            Wait::Acknowledgement { end, .. } => *end <= self.acknowledged,
            Wait::Lock(key) => !self.primary.locked(*key),
        }
    }

    /// The oldest commit that the replica has not replayed.
    #[must_use]
    pub fn next_replay(&self) -> Option<&SimCommit> {
        self.primary.unreplayed.front()
    }

    /// How many commits the replica is behind.
    #[must_use]
    pub fn behind(&self) -> usize {
        self.primary.unreplayed.len()
    }

    /// The replica replays one commit; whether there was one.
    pub fn replay(&mut self) -> bool {
        let Some(commit) = self.primary.unreplayed.pop_front() else { return false };
        let end = commit.end;
        self.replica.replay(commit);
        // The rest of the same transaction.
        while self.next_replay().is_some_and(|next| next.end == end) {
            let more = self.primary.unreplayed.pop_front().expect("it was there a line ago");
            self.replica.replay(more);
        }
        if self.acknowledgements == Acknowledgements::Flow {
            self.acknowledge();
        }
        true
    }

    /// The replica replays everything.
    pub fn catch_up(&mut self) {
        while self.replay() {}
    }

    /// From now on the primary does not hear what the replica has applied.
    pub fn hold_acknowledgements(&mut self) {
        self.acknowledgements = Acknowledgements::Held;
    }

    /// The primary hears it again, and at once what it missed.
    pub fn release_acknowledgements(&mut self) {
        self.acknowledgements = Acknowledgements::Flow;
        self.acknowledge();
    }

    /// The replica becomes the primary. Commits that it has not replayed had
    /// not reached it, and are lost. (Promotion replays all that did arrive:
    /// to model it, replay first.)
    pub fn fail_over(&mut self) {
        if self.roles == Roles::Promoted {
            return;
        }
        self.lost.extend(self.primary.unreplayed.iter().cloned());
        let end = self.replica.replayed();
        let rows = self.replica.take_rows();
        self.primary.promote(rows, end);
        self.roles = Roles::Promoted;
        self.failovers += 1;
    }

    /// How many failovers there were.
    #[must_use]
    pub const fn failovers(&self) -> u64 {
        self.failovers
    }

    /// The timeline of the primary, counted from 1: each failover begins one.
    #[must_use]
    pub fn timeline(&self) -> u32 {
        u32::try_from(self.failovers + 1).unwrap_or(u32::MAX)
    }

    /// After a failover: the old primary comes back as a copy of the new one,
    /// and replays what it writes from now on.
    pub fn rejoin(&mut self) {
        if self.roles == Roles::Streaming {
            return;
        }
        self.roles = Roles::Streaming;
        let end = self.primary.end();
        self.replica.rebuild(self.primary.rows(), end);
        self.acknowledged = end;
    }

    /// Whether the replica was promoted.
    #[must_use]
    pub fn failed_over(&self) -> bool {
        self.roles == Roles::Promoted
    }

    /// Commits that a failover lost.
    #[must_use]
    pub fn lost(&self) -> &[SimCommit] {
        &self.lost
    }

    /// The row that the replica shows.
    #[must_use]
    pub fn replica_row(&self, key: Key) -> Option<&Row> {
        match self.roles {
            Roles::Streaming => self.replica.row(key),
            Roles::Promoted => self.primary.row(key),
        }
    }

    /// Adds everything that any later answer depends on. `name` says under which
    /// name the connection of a client is put down, if it will listen again.
    pub fn fingerprint(&self, print: &mut Fingerprint, name: &dyn Fn(Watcher) -> Option<Watcher>) {
        self.primary.fingerprint(print);
        self.replica.fingerprint(print);
        self.cache.fingerprint(print, self.now, name);
        for commit in &self.lost {
            print.add(&(commit.key, &commit.row));
        }
        print.add(&(self.now, self.acknowledged, self.acknowledgements, self.roles));
    }

    fn acknowledge(&mut self) {
        self.acknowledged = self.replica.replayed();
        self.primary.acknowledge(self.acknowledged);
    }

    fn commit(&mut self, key: Key, value: &quarrel_checkers::Value) -> Response {
        let (version, before) = self.primary.commit(key, value.clone());
        self.stream_to_nobody_if_promoted();
        Response::Written { version, lsn: Some(before), timeline: self.timeline() }
    }

    /// Nobody streams from a promoted server.
    fn stream_to_nobody_if_promoted(&mut self) {
        if self.roles == Roles::Promoted {
            self.primary.unreplayed.clear();
        }
    }

    fn answer(&mut self, request: &Request) -> Response {
        match request {
            Request::PrimaryRead(key) => {
                Response::Row { row: self.primary.row(*key).cloned(), lsn: None }
            }
            Request::PrimaryWrite { key, value, .. } => self.commit(*key, value),
            Request::PrimaryWriteIf { key, value, expected } => {
                if self.primary.version(*key) == *expected {
                    self.commit(*key, value)
                } else {
                    Response::Refused
                }
            }
            Request::PrimaryReadPair(keys) => {
                Response::Pair(keys.map(|key| self.primary.row(key).cloned()))
            }
            Request::PrimaryWritePair(writes) => {
                let (versions, before) = self.primary.commit_pair(writes.clone());
                self.stream_to_nobody_if_promoted();
                Response::WrittenPair { versions, lsn: Some(before), timeline: self.timeline() }
            }
            Request::PrimaryLoad(rows) => {
                let is_new = |(key, _): &&(Key, Value)| self.primary.version(*key) == 0;
                let rows: Vec<_> = rows.iter().filter(is_new).cloned().collect();
                let keys: Vec<Key> = rows.iter().map(|(key, _)| *key).collect();
                let lsn = (!keys.is_empty()).then(|| self.primary.commit_many(rows));
                self.stream_to_nobody_if_promoted();
                Response::Loaded { keys, lsn, timeline: self.timeline() }
            }
            Request::ReadMany { site, keys } => {
                let found = keys.iter().map(|key| match site {
                    Site::Replica => self.replica_row(*key).cloned().map(Content::from),
                    Site::Cache => self.cache.get(&Item::entry(*key), self.now).cloned(),
                    Site::Primary | Site::Client => {
                        self.primary.row(*key).cloned().map(Content::from)
                    }
                });
                Response::Contents(found.collect())
            }
            Request::PrimaryWriteOutbox { key, value } => {
                let response = self.commit(*key, value);
                self.primary.feeds.put_in_outbox(*key, self.primary.version(*key));
                response
            }
            Request::PrimaryWriteNotify { key, value } => {
                let response = self.commit(*key, value);
                self.primary.feeds.notify(*key, self.primary.version(*key));
                response
            }
            Request::FeedOpen(feed) => self.primary.feeds.open(*feed),
            Request::FeedPoll { feed, limit, .. } => self.primary.feeds.poll(*feed, *limit),
            Request::FeedAck { feed, positions } => {
                self.primary.feeds.acknowledge(*feed, positions)
            }
            Request::FeedClose(feed) => self.primary.feeds.close(*feed),
            Request::PrimaryLsn => Response::Lsn(self.primary.end()),
            Request::ReplicaRead(key) => Response::Row {
                row: self.replica_row(*key).cloned(),
                lsn: Some(self.replica_position()),
            },
            Request::ReplicaLsn => Response::Lsn(self.replica_position()),
            Request::Near { row, .. } => Response::Content(Some(row.clone().into())),
            Request::Sleep(_) => Response::Done,
            // Of a client without a connection of its own.
            Request::CacheInvalidations | Request::CacheHear => {
                Response::Invalidated(vec![Stale::All])
            }
            _ => self.cached(request),
        }
    }

    fn cached(&mut self, request: &Request) -> Response {
        let (cache, now) = (&mut self.cache, self.now);
        match request {
            Request::CacheGet(item) | Request::CacheGetTracked(item) => {
                Response::Content(cache.get(item, now).cloned())
            }
            Request::CacheSet { item, content, ttl } => {
                cache.set(*item, content.clone(), *ttl, now);
                Response::Done
            }
            Request::CacheSetIfAbsent { item, content, ttl } => {
                if cache.set_if_absent(*item, content.clone(), *ttl, now) {
                    Response::Done
                } else {
                    Response::Refused
                }
            }
            Request::CacheDel(item) => {
                cache.del(item, now);
                Response::Done
            }
            Request::CachePublish { key, row } => {
                cache.publish(*key, row.clone(), now);
                Response::Done
            }
            Request::CacheTtl(item) => Response::Expiry(cache.ttl(item, now)),
            Request::CacheScript { script, call } => {
                cache.run(now, |store| (script.model)(store, call))
            }
            other => unreachable!("{other:?} is no call to the cache"),
        }
    }

    fn replica_position(&self) -> Lsn {
        match self.roles {
            Roles::Streaming => self.replica.replayed(),
            Roles::Promoted => self.primary.end(),
        }
    }

    /// Removes an entry, as eviction does; whether there was one.
    pub fn evict(&mut self, item: &Item) -> bool {
        self.cache.del(item, self.now)
    }
}

/// The rows that a call locks.
fn written_keys(request: &Request) -> impl Iterator<Item = Key> + use<> {
    let keys = match request {
        Request::PrimaryWritePair([(one, _), (other, _)]) => [Some(*one), Some(*other)],
        Request::PrimaryWrite { key, .. }
        | Request::PrimaryWriteIf { key, .. }
        | Request::PrimaryWriteOutbox { key, .. }
        | Request::PrimaryWriteNotify { key, .. } => [Some(*key), None],
        _ => [None, None],
    };
    keys.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{Key, Lsn, Value};

    use super::{Reaction, Wait, World};
    use quarrel_strategy::stores::{Durability, Request, Response};

    const KEY: Key = Key(1);

    fn write(value: i64, durability: Durability) -> Request {
        Request::PrimaryWrite { key: KEY, value: Value::Int(value), durability }
    }

    #[test]
    fn the_old_primary_comes_back_as_the_replica_and_may_take_over_again() {
        let mut world = World::new();
        version(&mut world, &write(10, Durability::Local));
        world.fail_over();
        world.rejoin();
        assert_eq!(version(&mut world, &write(11, Durability::Local)), Some(1));
        assert_eq!(version(&mut world, &Request::ReplicaRead(KEY)), None);
        world.replay();
        assert_eq!(version(&mut world, &Request::ReplicaRead(KEY)), Some(1));
        version(&mut world, &write(12, Durability::Local));
        world.fail_over();
        assert_eq!(version(&mut world, &Request::PrimaryRead(KEY)), Some(1));
        assert_eq!(world.lost().len(), 2);
    }

    fn version(world: &mut World, request: &Request) -> Option<u64> {
        match world.apply(request) {
            Reaction::Answer(Ok(Response::Row { row, .. })) => row.map(|row| row.version),
            Reaction::Answer(Ok(Response::Written { version, .. })) => Some(version),
            other => panic!("no row: {other:?}"),
        }
    }

    #[test]
    fn the_replica_shows_a_prefix() {
        let mut world = World::new();
        assert_eq!(version(&mut world, &write(10, Durability::Local)), Some(1));
        assert_eq!(version(&mut world, &write(11, Durability::Local)), Some(2));
        assert_eq!(version(&mut world, &Request::ReplicaRead(KEY)), None);
        world.replay();
        assert_eq!(version(&mut world, &Request::ReplicaRead(KEY)), Some(1));
        world.catch_up();
        assert_eq!(version(&mut world, &Request::ReplicaRead(KEY)), Some(2));
        assert_eq!(world.replica.replayed(), world.primary.end());
    }

    #[test]
    fn remote_apply_shows_the_row_on_the_replica_first() {
        let mut world = World::new();
        let Reaction::Waits(wait) = world.apply(&write(10, Durability::RemoteApply)) else {
            panic!("the commit must wait for the replica")
        };
        assert_eq!(
            world.apply(&write(11, Durability::Local)),
            Reaction::Waits(Wait::Lock(KEY)),
            "the row is locked"
        );
        world.hold_acknowledgements();
        world.replay();
        assert_eq!(version(&mut world, &Request::ReplicaRead(KEY)), Some(1));
        assert_eq!(version(&mut world, &Request::PrimaryRead(KEY)), None);
        assert!(!world.ready(&wait));
        world.release_acknowledgements();
        assert!(world.ready(&wait));
        assert_eq!(version(&mut world, &Request::PrimaryRead(KEY)), Some(1));
    }

    #[test]
    fn failover_loses_what_had_not_arrived_and_uses_versions_twice() {
        let mut world = World::new();
        version(&mut world, &write(10, Durability::Local));
        world.replay();
        assert_eq!(version(&mut world, &write(11, Durability::Local)), Some(2));
        let lost = world.primary.end();
        world.fail_over();
        assert_eq!(version(&mut world, &Request::PrimaryRead(KEY)), Some(1));
        assert_eq!(version(&mut world, &write(12, Durability::Local)), Some(2));
        assert_eq!(world.primary.end(), lost, "the position is used twice as well");
        assert_eq!(version(&mut world, &Request::ReplicaRead(KEY)), Some(2));
        assert_eq!(world.behind(), 0);
        assert!(world.primary.end() > Lsn(0));
    }
}
