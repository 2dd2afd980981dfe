use std::collections::BTreeMap;

use quarrel_checkers::Key;

/// What a client remembers between its operations: that it just wrote a key,
/// the newest version it saw, a log position. It dies with the client.
///
/// ```
/// use quarrel_checkers::Key;
/// use quarrel_harness::strategy::Memory;
///
/// let mut memory = Memory::default();
/// memory.remember("token", Key(7), 3);
/// assert_eq!(memory.recall("token", Key(7)), Some(3));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory(BTreeMap<(&'static str, Key), u64>);

impl Memory {
    /// Notes `number` as the `name` of `key`, in place of what was there.
    pub fn remember(&mut self, name: &'static str, key: Key, number: u64) {
        self.0.insert((name, key), number);
    }

    /// Notes `number` unless a greater one is there.
    pub fn raise(&mut self, name: &'static str, key: Key, number: u64) {
        let noted = self.0.entry((name, key)).or_insert(number);
        *noted = (*noted).max(number);
    }

    /// What was noted as the `name` of `key`.
    #[must_use]
    pub fn recall(&self, name: &'static str, key: Key) -> Option<u64> {
        self.0.get(&(name, key)).copied()
    }

    /// Drops the note.
    pub fn forget(&mut self, name: &'static str, key: Key) {
        self.0.remove(&(name, key));
    }
}
