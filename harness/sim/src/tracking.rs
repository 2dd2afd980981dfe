use std::collections::{BTreeMap, BTreeSet};

use quarrel_checkers::{Process, Time};
use quarrel_strategy::stores::{Item, Stale};

use super::Fingerprint;

/// A connection on which a client hears what was invalidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watcher(pub u64);

impl Watcher {
    /// The connection of a client, which it loses with its process id.
    #[must_use]
    pub const fn of(process: Process) -> Self {
        match process {
            Process::Client(number) => Self(number << 1),
            Process::Agent(number) => Self(number << 1 | 1),
            Process::Nemesis => Self(u64::MAX),
        }
    }
}

/// Client tracking, as Redis does it: it remembers who has read what, and tells
/// each of them once when that changes.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    watched: BTreeMap<Item, BTreeSet<Watcher>>,
    /// Messages that nobody has asked for yet, by when they were sent.
    messages: BTreeMap<Watcher, Vec<(Time, Stale)>>,
    delivery: Delivery,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Delivery {
    /// Messages arrive.
    #[default]
    Flows,
    /// They are on their way, and stay there.
    Held,
}

impl Tracking {
    /// From now on messages stay on their way.
    pub const fn hold(&mut self) {
        self.delivery = Delivery::Held;
    }

    /// They arrive again, and so do those that were held.
    pub const fn release(&mut self) {
        self.delivery = Delivery::Flows;
    }

    /// Whether messages stay on their way.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.delivery == Delivery::Held
    }

    /// Whether anybody would be told of a change.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        !self.watched.is_empty()
    }

    /// Whether any message is on its way.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        self.messages.values().any(|messages| !messages.is_empty())
    }

    pub(super) fn watch(&mut self, item: Item, who: Watcher) {
        self.watched.entry(item).or_default().insert(who);
        self.messages.entry(who).or_default();
    }

    pub(super) fn changed(&mut self, item: &Item, now: Time) {
        for who in self.watched.remove(item).unwrap_or_default() {
            self.messages.entry(who).or_default().push((now, Stale::Key(item.key)));
        }
    }

    /// The server forgets all: connections break, which nobody can miss.
    pub(super) fn forget(&mut self) {
        self.watched.clear();
        self.messages.clear();
    }

    /// What has arrived at `who` until a moment. `gone` says of an item whether
    /// it has expired, of which the server tells, too.
    pub(super) fn told(
        &mut self,
        who: Watcher,
        until: Time,
        gone: impl Fn(&Item) -> bool,
    ) -> Vec<Stale> {
        // Without a connection nobody would have told.
        let Some(messages) = self.messages.get_mut(&who) else { return vec![Stale::All] };
        if self.delivery == Delivery::Held {
            return Vec::new();
        }
        let arrived = messages.iter().take_while(|(sent, _)| *sent <= until).count();
        let mut told: Vec<Stale> = messages.drain(..arrived).map(|(_, stale)| stale).collect();
        for (item, watchers) in &mut self.watched {
            if gone(item) && watchers.remove(&who) {
                told.push(Stale::Key(item.key));
            }
        }
        self.watched.retain(|_, watchers| !watchers.is_empty());
        told
    }

    pub(super) fn fingerprint(&self, print: &mut Fingerprint) {
        print.map(self.watched.iter());
        print.map(self.messages.iter());
        print.add(&self.delivery);
    }
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{Content, Key, Time};

    use super::Watcher;
    use crate::Cache;
    use quarrel_strategy::stores::{Item, Stale};

    const ME: Watcher = Watcher(2);

    #[test]
    fn who_has_read_an_entry_is_told_once_that_it_changed() {
        let (item, now, mut cache) = (Item::entry(Key(1)), Time::ZERO, Cache::default());
        assert_eq!(cache.invalidations(ME, now), [Stale::All], "it listens to nobody");
        assert_eq!(cache.get_tracked(&item, ME, now), None);
        cache.set(item, Content::Marker, None, now);
        cache.set(item, Content::Number(2), None, now);
        assert_eq!(cache.invalidations(ME, now), [Stale::Key(Key(1))]);
        assert_eq!(cache.invalidations(ME, now), []);
    }

    #[test]
    fn a_held_message_arrives_when_it_is_released() {
        let (item, now, mut cache) = (Item::entry(Key(1)), Time::ZERO, Cache::default());
        cache.set(item, Content::Marker, None, now);
        cache.get_tracked(&item, ME, now);
        cache.tracking().hold();
        cache.del(&item, now);
        assert_eq!(cache.invalidations(ME, now), []);
        cache.tracking().release();
        assert_eq!(cache.invalidations(ME, now), [Stale::Key(Key(1))]);
    }

    #[test]
    fn an_entry_that_expires_and_a_server_that_restarts_are_told_of() {
        let (item, mut cache) = (Item::entry(Key(1)), Cache::default());
        let life = Some(std::time::Duration::from_millis(5));
        cache.set(item, Content::Marker, life, Time::ZERO);
        cache.get_tracked(&item, ME, Time::ZERO);
        assert_eq!(cache.invalidations(ME, Time::from_millis(4)), []);
        assert_eq!(cache.invalidations(ME, Time::from_millis(5)), [Stale::Key(Key(1))]);
        cache.wipe();
        assert_eq!(cache.invalidations(ME, Time::from_millis(5)), [Stale::All]);
    }
}
