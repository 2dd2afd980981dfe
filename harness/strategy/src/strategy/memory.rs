use std::collections::BTreeMap;

use quarrel_checkers::{Key, Time};

use crate::stores::Row;

/// What a client remembers between its operations: that it just wrote a key,
/// the newest version it saw, a log position. It dies with the client.
///
/// ```
/// use quarrel_checkers::Key;
/// use quarrel_strategy::strategy::Memory;
///
/// let mut memory = Memory::default();
/// memory.remember("token", Key(7), 3);
/// assert_eq!(memory.recall("token", Key(7)), Some(3));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    numbers: BTreeMap<(&'static str, Key), u64>,
    /// A cache inside the client's own process; a row, and when it expires.
    near: BTreeMap<Key, (Row, Option<Time>)>,
}

impl Memory {
    /// Notes `number` as the `name` of `key`, in place of what was there.
    pub fn remember(&mut self, name: &'static str, key: Key, number: u64) {
        self.numbers.insert((name, key), number);
    }

    /// Notes `number` unless a greater one is there.
    pub fn raise(&mut self, name: &'static str, key: Key, number: u64) {
        let noted = self.numbers.entry((name, key)).or_insert(number);
        *noted = (*noted).max(number);
    }

    /// What was noted as the `name` of `key`.
    #[must_use]
    pub fn recall(&self, name: &'static str, key: Key) -> Option<u64> {
        self.numbers.get(&(name, key)).copied()
    }

    /// Drops the note.
    pub fn forget(&mut self, name: &'static str, key: Key) {
        self.numbers.remove(&(name, key));
    }

    /// Keeps a row in the near cache.
    pub fn keep(&mut self, key: Key, row: Row) {
        self.near.insert(key, (row, None));
    }

    /// The same, for no longer than until a moment.
    pub fn keep_until(&mut self, key: Key, row: Row, end: Time) {
        self.near.insert(key, (row, Some(end)));
    }

    /// Drops the row of `key` from the near cache if its time is over.
    pub fn expire(&mut self, key: Key, now: Time) {
        let is_over = |(_, end): &(Row, Option<Time>)| end.is_some_and(|end| end <= now);
        if self.near.get(&key).is_some_and(is_over) {
            self.near.remove(&key);
        }
    }

    /// The row of `key` in the near cache.
    #[must_use]
    pub fn kept(&self, key: Key) -> Option<&Row> {
        self.near.get(&key).map(|(row, _)| row)
    }

    /// Drops a row from the near cache.
    pub fn drop_kept(&mut self, key: Key) {
        self.near.remove(&key);
    }

    /// Empties the near cache.
    pub fn drop_all_kept(&mut self) {
        self.near.clear();
    }
}
