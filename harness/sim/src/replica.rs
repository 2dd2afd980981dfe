use quarrel_checkers::{Key, Lsn};
use quarrel_strategy::stores::Row;
use rustc_hash::FxHashMap;

use super::{Fingerprint, SimCommit};

/// The Postgres that replays the primary's log, one commit at a time.
#[derive(Clone, Debug, Default)]
pub struct SimReplica {
    rows: FxHashMap<Key, Row>,
    replayed: Lsn,
}

impl SimReplica {
    /// The row of `key`, as far as it has got.
    #[must_use]
    pub fn row(&self, key: Key) -> Option<&Row> {
        self.rows.get(&key)
    }

    /// How far it has got.
    #[must_use]
    pub const fn replayed(&self) -> Lsn {
        self.replayed
    }

    pub(super) fn replay(&mut self, commit: SimCommit) {
        self.replayed = commit.end;
        self.rows.insert(commit.key, commit.row);
    }

    pub(super) fn seed(&mut self, key: Key, row: Row) {
        self.rows.insert(key, row);
    }

    pub(super) fn start_at(&mut self, end: Lsn) {
        self.replayed = end;
    }

    /// A copy of another server.
    pub(super) fn rebuild(&mut self, rows: &FxHashMap<Key, Row>, end: Lsn) {
        self.rows.clone_from(rows);
        self.replayed = end;
    }

    pub(super) fn take_rows(&mut self) -> FxHashMap<Key, Row> {
        std::mem::take(&mut self.rows)
    }

    pub(super) fn fingerprint(&self, print: &mut Fingerprint) {
        print.map(self.rows.iter());
        print.add(&self.replayed);
    }
}
