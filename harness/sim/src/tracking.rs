use std::collections::{BTreeMap, BTreeSet};

use quarrel_checkers::Time;
use quarrel_strategy::stores::{Item, Stale};

use super::{
    Fingerprint,
    mail::{Mail, Watcher, Wire},
};

/// Client tracking, as Redis does it: it remembers who has read what, and tells
/// each of them once when that changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracking {
    watched: BTreeMap<Item, BTreeSet<Watcher>>,
}

impl Tracking {
    pub(super) fn watch(&mut self, item: Item, who: Watcher, mail: &mut Mail) {
        self.watched.entry(item).or_default().insert(who);
        mail.listen(Wire::Tracking, who);
    }

    pub(super) fn changed(&mut self, item: &Item, now: Time, mail: &mut Mail) {
        for who in self.watched.remove(item).unwrap_or_default() {
            mail.tell(Wire::Tracking, who, Stale::Key(item.key), now);
        }
    }

    /// The server forgets who has read what.
    pub(super) fn forget(&mut self) {
        self.watched.clear();
    }

    /// It forgets what one client has read.
    pub(super) fn forget_one(&mut self, who: Watcher) {
        for watchers in self.watched.values_mut() {
            watchers.remove(&who);
        }
        self.watched.retain(|_, watchers| !watchers.is_empty());
    }

    /// Tells `who` of items that it has read and of which `gone` says that they
    /// have expired.
    pub(super) fn expired(&mut self, who: Watcher, gone: impl Fn(&Item) -> bool) -> Vec<Stale> {
        let mut told = Vec::new();
        for (item, watchers) in &mut self.watched {
            if gone(item) && watchers.remove(&who) {
                told.push(Stale::Key(item.key));
            }
        }
        self.watched.retain(|_, watchers| !watchers.is_empty());
        told
    }

    /// Whether somebody of whom `counts` says so has read what has expired.
    pub(super) fn has_expired(
        &self,
        gone: impl Fn(&Item) -> bool,
        counts: impl Fn(Watcher) -> bool,
    ) -> bool {
        self.watched
            .iter()
            .any(|(item, watchers)| gone(item) && watchers.iter().any(|who| counts(*who)))
    }

    /// Adds who would be told, of those whom `name` knows, by that name.
    pub(super) fn fingerprint(
        &self,
        print: &mut Fingerprint,
        name: impl Fn(Watcher) -> Option<Watcher>,
    ) {
        let watched = self.watched.iter();
        print.map(watched.flat_map(|(item, watchers)| {
            watchers.iter().filter_map(|who| Some((*item, name(*who)?))).collect::<Vec<_>>()
        }));
    }
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{Content, Key, Time, Value};

    use super::Watcher;
    use crate::SimCache;
    use quarrel_strategy::stores::{Item, Row, Stale};

    const ME: Watcher = Watcher(2);
    const NOW: Time = Time::ZERO;

    #[test]
    fn who_has_read_an_entry_is_told_once_that_it_changed() {
        let (item, mut cache) = (Item::entry(Key(1)), SimCache::default());
        assert_eq!(cache.invalidations(ME, NOW), [Stale::All], "it listens to nobody");
        assert_eq!(cache.get_tracked(&item, ME, NOW), None);
        cache.set(item, Content::Marker, None, NOW);
        cache.set(item, Content::Number(2), None, NOW);
        assert_eq!(cache.invalidations(ME, NOW), [Stale::Key(Key(1))]);
        assert_eq!(cache.invalidations(ME, NOW), []);
    }

    #[test]
    fn a_held_message_arrives_when_it_is_released() {
        let (item, mut cache) = (Item::entry(Key(1)), SimCache::default());
        cache.set(item, Content::Marker, None, NOW);
        cache.get_tracked(&item, ME, NOW);
        cache.mail().hold();
        cache.del(&item, NOW);
        assert_eq!(cache.invalidations(ME, NOW), []);
        cache.mail().release();
        assert_eq!(cache.invalidations(ME, NOW), [Stale::Key(Key(1))]);
    }

    #[test]
    fn an_entry_that_expires_and_a_server_that_restarts_are_told_of() {
        let (item, mut cache) = (Item::entry(Key(1)), SimCache::default());
        let life = Some(std::time::Duration::from_millis(5));
        cache.set(item, Content::Marker, life, NOW);
        cache.get_tracked(&item, ME, NOW);
        assert_eq!(cache.invalidations(ME, Time::from_millis(4)), []);
        assert_eq!(cache.invalidations(ME, Time::from_millis(5)), [Stale::Key(Key(1))]);
        cache.restore();
        assert_eq!(cache.invalidations(ME, Time::from_millis(5)), [Stale::All]);
    }

    #[test]
    fn a_connection_that_broke_and_was_made_again_has_a_gap() {
        let (item, mut cache) = (Item::entry(Key(1)), SimCache::default());
        cache.get_tracked(&item, ME, NOW);
        cache.hang_up(ME);
        cache.set(item, Content::Marker, None, NOW);
        cache.get_tracked(&item, ME, NOW);
        assert_eq!(cache.invalidations(ME, NOW), [Stale::All]);
        assert_eq!(cache.invalidations(ME, NOW), []);
    }

    #[test]
    fn only_who_listens_hears_what_is_published() {
        let mut cache = SimCache::default();
        let row = |version| Row { value: Value::from("Alice"), version };
        cache.publish(Key(1), None, NOW);
        assert_eq!(cache.heard(ME, NOW), [Stale::All], "it begins to listen");
        cache.publish(Key(1), None, NOW);
        cache.publish(Key(2), Some(row(3)), NOW);
        let told = [Stale::Key(Key(1)), Stale::Replaced(Key(2), row(3))];
        assert_eq!(cache.heard(ME, NOW), told);
        cache.hang_up(ME);
        cache.publish(Key(1), None, NOW);
        assert_eq!(cache.heard(ME, NOW), [Stale::All], "nobody says it again");
        assert_eq!(cache.heard(ME, NOW), []);
        // What is forgotten of entries is none of the channel's business.
        cache.wipe(NOW);
        assert_eq!(cache.heard(ME, NOW), []);
    }

    #[test]
    fn messages_may_come_the_other_way_round() {
        let mut cache = SimCache::default();
        cache.heard(ME, NOW);
        for key in [1, 2, 3] {
            cache.publish(Key(key), None, Time::from_millis(key));
        }
        cache.mail().reverse();
        assert_eq!(cache.heard(ME, Time::from_millis(1)), [Stale::Key(Key(3))]);
        let rest = [Stale::Key(Key(2)), Stale::Key(Key(1))];
        assert_eq!(cache.heard(ME, Time::from_millis(9)), rest);
    }
}
