use std::time::Duration;

use quarrel_checkers::{Content, Key, Object, Site, Value};
use quarrel_strategy::{
    cluster::Cluster,
    stores::{Backend, Item, Request, Response, Row},
    strategy::{Action, Call},
};

use super::{Answer, RaceError, Setup, Shown, force::Reply, initial::row};

/// The longest wait for an entry to expire by itself.
const LONGEST_EXPIRY: Duration = Duration::from_secs(2);

/// What is done to the stores of a forced race beside its clients, over links
/// that no fault strikes.
pub(super) struct DirectStores {
    probe: Backend,
    first_key: u64,
    /// Everything in the cache that a client has named.
    touched: Vec<Item>,
    saved: Vec<(Item, Content, Option<Duration>)>,
}

impl DirectStores {
    pub(super) fn new(cluster: &dyn Cluster, first_key: u64) -> Self {
        let probe = cluster.probe();
        Self { probe, first_key, touched: Vec::new(), saved: Vec::new() }
    }

    /// After a change of servers.
    pub(super) fn reconnect(&mut self, cluster: &dyn Cluster) {
        self.probe = cluster.probe();
    }

    /// The cluster's key for a key of the race.
    pub(super) const fn real(&self, key: Key) -> Key {
        Key(self.first_key.wrapping_add(key.0))
    }

    pub(super) fn real_action(&self, action: Action) -> Action {
        match action {
            Action::Read(key) => Action::Read(self.real(key)),
            Action::Write(key, value) => Action::Write(self.real(key), value),
        }
    }

    /// The row that a key of the cluster had at the beginning.
    pub(super) fn initial(&self, keys: &[Setup], key: Key) -> Option<Row> {
        keys.iter().find(|setup| self.real(setup.key) == key).and_then(row)
    }

    /// A call as the race would write it.
    pub(super) fn described(&self, request: &Request) -> Call {
        let mut call = Call::from(request);
        if let Some(object) = &mut call.object {
            object.key = Key(object.key.0.wrapping_sub(self.first_key));
        }
        call
    }

    /// Keeps in mind what a call names in the cache.
    pub(super) fn touches(&mut self, request: &Request) {
        let items: &[Item] = match request {
            Request::CacheGet(item)
            | Request::CacheGetTracked(item)
            | Request::CacheSet { item, .. }
            | Request::CacheSetIfAbsent { item, .. }
            | Request::CacheDel(item)
            | Request::CacheTtl(item) => std::slice::from_ref(item),
            Request::CacheScript { call, .. } => &call.items,
            _ => &[],
        };
        for item in items {
            if !self.touched.contains(item) {
                self.touched.push(*item);
            }
        }
    }

    pub(super) async fn call(&mut self, request: &Request) -> Reply {
        self.touches(request);
        self.probe.call(request).await
    }

    pub(super) async fn ask(
        &mut self,
        line: usize,
        request: Request,
    ) -> Result<Response, RaceError> {
        let failed = |error: quarrel_strategy::stores::StoreError| RaceError::Failed {
            line,
            what: error.to_string(),
        };
        self.call(&request).await.map_err(failed)
    }

    pub(super) async fn cache_row(
        &mut self,
        key: Key,
        value: Value,
        version: u64,
    ) -> Result<(), RaceError> {
        let content = Content::Row { value, version };
        let set = Request::CacheSet { item: Item::entry(key), content, ttl: None };
        self.ask(0, set).await.map(drop)
    }

    /// The entry that a race calls `object`.
    pub(super) fn item(&self, object: &Object) -> Option<Item> {
        let real = Object { key: self.real(object.key), ..object.clone() };
        self.touched.iter().copied().find(|item| Object::from(*item) == real)
    }

    pub(super) async fn look(
        &mut self,
        line: usize,
        site: Site,
        object: &Object,
    ) -> Result<Answer, RaceError> {
        let key = self.real(object.key);
        let request = match site {
            Site::Replica => Request::ReplicaRead(key),
            Site::Primary | Site::Client => Request::PrimaryRead(key),
            Site::Cache => match self.item(object) {
                Some(item) => Request::CacheGet(item),
                None if object.space.is_empty() && object.version.is_none() => {
                    Request::CacheGet(Item::entry(key))
                }
                None => return Ok(Answer::Miss),
            },
        };
        let content = match self.ask(line, request).await? {
            Response::Row { row, .. } => row.map(Content::from),
            Response::Content(content) => content,
            _ => None,
        };
        Ok(content.map_or(Answer::Miss, |content| Answer::Found(Shown::of(&content))))
    }

    pub(super) async fn row(&mut self, line: usize, key: Key) -> Result<Option<Row>, RaceError> {
        match self.ask(line, Request::PrimaryRead(key)).await? {
            Response::Row { row, .. } => Ok(row),
            _ => Ok(None),
        }
    }

    pub(super) async fn version(&mut self, line: usize, key: Key) -> Result<u64, RaceError> {
        Ok(self.row(line, key).await?.map_or(0, |row| row.version))
    }

    /// Whether the primary's row of a race's key has this version.
    pub(super) async fn is_newest(
        &mut self,
        line: usize,
        key: Key,
        version: u64,
    ) -> Result<bool, RaceError> {
        let key = self.real(key);
        Ok(self.version(line, key).await? == version)
    }

    /// Deletes everything that a client has named: what a wipe does to them.
    pub(super) async fn wipe(&mut self, line: usize) -> Result<(), RaceError> {
        for item in self.touched.clone() {
            self.ask(line, Request::CacheDel(item)).await?;
        }
        Ok(())
    }

    /// Takes down what the cache holds, entry by entry.
    pub(super) async fn save(&mut self, line: usize) -> Result<(), RaceError> {
        self.saved.clear();
        for item in self.touched.clone() {
            let Response::Content(Some(content)) = self.ask(line, Request::CacheGet(item)).await?
            else {
                continue;
            };
            if let Response::Expiry(Some(ttl)) = self.ask(line, Request::CacheTtl(item)).await? {
                self.saved.push((item, content, ttl));
            }
        }
        Ok(())
    }

    /// Puts back what [`DirectStores::save`] took down: what a client sees of a crash
    /// and a restart from a snapshot.
    pub(super) async fn restore(&mut self, line: usize) -> Result<(), RaceError> {
        self.wipe(line).await?;
        for (item, content, ttl) in self.saved.clone() {
            self.ask(line, Request::CacheSet { item, content, ttl }).await?;
        }
        Ok(())
    }

    /// Waits until an entry has expired; one with long to live is made to have
    /// a millisecond.
    pub(super) async fn expire(&mut self, line: usize, item: Item) -> Result<(), RaceError> {
        let left = match self.ask(line, Request::CacheTtl(item)).await? {
            Response::Expiry(Some(Some(left))) => left,
            _ => LONGEST_EXPIRY,
        };
        if left >= LONGEST_EXPIRY
            && let Response::Content(Some(content)) =
                self.ask(line, Request::CacheGet(item)).await?
        {
            let ttl = Some(Duration::from_millis(1));
            self.ask(line, Request::CacheSet { item, content, ttl }).await?;
        }
        for _ in 0..2_000 {
            if self.ask(line, Request::CacheTtl(item)).await? == Response::Expiry(None) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Err(RaceError::Failed { line, what: "the entry did not expire".to_owned() })
    }
}
