use std::time::Duration;

use quarrel_checkers::{Content, Key, Time};
use quarrel_strategy::stores::{Item, Response, Row, ScriptStore, Stale, Ttl};
use rustc_hash::FxHashMap;

use super::{
    Fingerprint,
    mail::{Mail, Watcher, Wire},
    tracking::Tracking,
};

/// Something that the cache holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheEntry {
    /// What.
    pub content: Content,
    /// From when on it is gone; none is "lives for ever".
    pub expires: Option<Time>,
}

/// Redis, without its persistence: entries, and one snapshot that a restart
/// comes back with.
#[derive(Clone, Debug, Default)]
pub struct SimCache {
    entries: FxHashMap<Item, CacheEntry>,
    snapshot: FxHashMap<Item, CacheEntry>,
    tracking: Tracking,
    mail: Mail,
}

impl SimCache {
    /// What `item` holds at `now`.
    #[must_use]
    pub fn get(&self, item: &Item, now: Time) -> Option<&Content> {
        self.live(item, now).map(|entry| &entry.content)
    }

    /// Every entry that has not expired at `now`, in no particular order.
    pub fn entries(&self, now: Time) -> impl Iterator<Item = (&Item, &CacheEntry)> {
        self.entries.iter().filter(move |(_, entry)| !expired(entry, now))
    }

    /// How long `item` lives from `now` on, in whole milliseconds as Redis
    /// says it.
    #[must_use]
    pub fn ttl(&self, item: &Item, now: Time) -> Option<Ttl> {
        self.live(item, now).map(|entry| {
            entry.expires.map(|at| {
                let left = at.since(now).as_millis();
                Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX))
            })
        })
    }

    /// Stores.
    pub fn set(&mut self, item: Item, content: Content, ttl: Ttl, now: Time) {
        // Redis refuses an expiry of 0; the shortest it knows is 1 ms.
        let expires = ttl.map(|ttl| now + ttl.max(Duration::from_millis(1)));
        self.entries.insert(item, CacheEntry { content, expires });
        self.tracking.changed(&item, now, &mut self.mail);
    }

    /// Stores if there is nothing; whether it did.
    pub fn set_if_absent(&mut self, item: Item, content: Content, ttl: Ttl, now: Time) -> bool {
        let absent = self.live(&item, now).is_none();
        if absent {
            self.set(item, content, ttl, now);
        }
        absent
    }

    /// Deletes; whether there was something.
    pub fn del(&mut self, item: &Item, now: Time) -> bool {
        let Some(entry) = self.entries.remove(item) else { return false };
        self.tracking.changed(item, now, &mut self.mail);
        !expired(&entry, now)
    }

    /// Loses everything, as by `FLUSHALL`; who has read anything is told.
    pub fn wipe(&mut self, now: Time) {
        self.entries.clear();
        self.tracking.forget();
        self.mail.tell_all(Wire::Tracking, &Stale::All, now);
    }

    /// Saves what it holds.
    pub fn save(&mut self) {
        self.snapshot.clone_from(&self.entries);
    }

    /// Comes back with what it last saved: a crash and a restart.
    pub fn restore(&mut self) {
        self.entries.clone_from(&self.snapshot);
        self.hang_up_all();
    }

    /// Every connection breaks on which clients are told anything.
    pub fn hang_up_all(&mut self) {
        self.tracking.forget();
        self.mail.hang_up_all();
    }

    /// Those of one client break.
    pub fn hang_up(&mut self, who: Watcher) {
        self.tracking.forget_one(who);
        self.mail.hang_up(who);
    }

    /// Nobody listens any more: clients of another time are gone.
    pub fn nobody_listens(&mut self) {
        self.tracking.forget();
        self.mail = Mail::default();
    }

    /// A client is gone for good.
    pub(super) fn leave(&mut self, who: Watcher) {
        self.tracking.forget_one(who);
        self.mail.leave(who);
    }

    /// Reads as a client that is told when `item` changes.
    pub fn get_tracked(&mut self, item: &Item, who: Watcher, now: Time) -> Option<&Content> {
        self.tracking.watch(*item, who, &mut self.mail);
        self.get(item, now)
    }

    /// What `who` has been told up to `until` and not asked for yet.
    pub fn invalidations(&mut self, who: Watcher, until: Time) -> Vec<Stale> {
        let mut told = self.mail.told(Wire::Tracking, who, until);
        if !self.mail.is_held() && !told.contains(&Stale::All) {
            let gone =
                |item: &Item| self.entries.get(item).is_some_and(|entry| expired(entry, until));
            told.extend(self.tracking.expired(who, gone));
        }
        told
    }

    /// Tells all who listen that the row of `key` has changed, and to what.
    pub fn publish(&mut self, key: Key, row: Option<Row>, now: Time) {
        let stale = row.map_or(Stale::Key(key), |row| Stale::Replaced(key, row));
        self.mail.tell_all(Wire::Channel, &stale, now);
    }

    /// What `who` has heard up to `until` of what was published; it listens from
    /// now on.
    pub fn heard(&mut self, who: Watcher, until: Time) -> Vec<Stale> {
        let told = self.mail.told(Wire::Channel, who, until);
        self.mail.listen(Wire::Channel, who);
        told
    }

    /// What clients are told of changes.
    pub const fn mail(&mut self) -> &mut Mail {
        &mut self.mail
    }

    /// The same, to look at.
    #[must_use]
    pub const fn posted(&self) -> &Mail {
        &self.mail
    }

    /// Whether any client of whom `counts` says so would be told something if
    /// it asked now and nothing was held.
    pub fn has_news(&self, now: Time, counts: impl Fn(Watcher) -> bool) -> bool {
        let gone = |item: &Item| self.entries.get(item).is_some_and(|entry| expired(entry, now));
        self.mail.is_on_its_way(&counts) || self.tracking.has_expired(gone, counts)
    }

    /// Whether coming back from the snapshot would change anything.
    #[must_use]
    pub fn differs_from_snapshot(&self) -> bool {
        self.entries != self.snapshot
    }

    /// Runs a script's model.
    pub(super) fn run(
        &mut self,
        now: Time,
        script: impl FnOnce(&mut dyn ScriptStore) -> Response,
    ) -> Response {
        script(&mut Scripted { cache: self, now })
    }

    /// How many entries there are, expired ones that were not touched since
    /// included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn live(&self, item: &Item, now: Time) -> Option<&CacheEntry> {
        self.entries.get(item).filter(|entry| !expired(entry, now))
    }

    pub(super) fn fingerprint(
        &self,
        print: &mut Fingerprint,
        now: Time,
        name: &dyn Fn(Watcher) -> Option<Watcher>,
    ) {
        print.map(self.entries(now));
        print.map(self.snapshot.iter());
        self.tracking.fingerprint(print, name);
        self.mail.fingerprint(print, name);
    }
}

fn expired(entry: &CacheEntry, now: Time) -> bool {
    entry.expires.is_some_and(|at| at <= now)
}

struct Scripted<'a> {
    cache: &'a mut SimCache,
    now: Time,
}

impl ScriptStore for Scripted<'_> {
    fn now(&self) -> Time {
        self.now
    }

    fn get(&self, item: &Item) -> Option<Content> {
        self.cache.get(item, self.now).cloned()
    }

    fn set(&mut self, item: Item, content: Content, ttl: Ttl) {
        self.cache.set(item, content, ttl, self.now);
    }

    fn del(&mut self, item: &Item) -> bool {
        self.cache.del(item, self.now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quarrel_checkers::{Content, Key, Time};

    use super::SimCache;
    use quarrel_strategy::stores::Item;

    #[test]
    fn an_entry_is_gone_when_its_time_is_over() {
        let (item, mut cache) = (Item::entry(Key(1)), SimCache::default());
        cache.set(item, Content::Marker, Some(Duration::from_millis(5)), Time::ZERO);
        assert_eq!(cache.get(&item, Time::from_millis(4)), Some(&Content::Marker));
        assert_eq!(cache.get(&item, Time::from_millis(5)), None);
        assert!(cache.set_if_absent(item, Content::Number(1), None, Time::from_millis(5)));
        assert_eq!(cache.ttl(&item, Time::from_millis(9)), Some(None));
    }

    #[test]
    fn a_restart_brings_a_deleted_entry_back() {
        let (item, mut cache) = (Item::entry(Key(1)), SimCache::default());
        cache.set(item, Content::Marker, None, Time::ZERO);
        cache.save();
        assert!(cache.del(&item, Time::ZERO));
        assert!(cache.differs_from_snapshot());
        cache.restore();
        assert_eq!(cache.get(&item, Time::ZERO), Some(&Content::Marker));
    }
}
