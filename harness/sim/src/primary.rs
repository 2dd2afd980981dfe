use std::collections::VecDeque;

use quarrel_checkers::{Key, Lsn, Value};
use quarrel_strategy::stores::Row;
use rustc_hash::FxHashMap;

use super::{Feeds, Fingerprint};

/// Where a fresh log stands; Postgres's own begins about here.
const LOG_ORIGIN: u64 = 0x0300_0000;
/// Bytes of the record that changes a row, before its commit record.
const CHANGE_BYTES: u64 = 0x48;
/// Bytes of a commit record.
const COMMIT_BYTES: u64 = 0x38;

/// A committed change, as the log carries it to the replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimCommit {
    /// The row.
    pub key: Key,
    /// What it is from here on.
    pub row: Row,
    /// The end of its commit record: a replica that has replayed this far
    /// shows it. Changes of one transaction have one end.
    pub end: Lsn,
}

/// The Postgres that takes writes: rows, and the part of its log that the
/// replica has not replayed yet.
#[derive(Clone, Debug)]
pub struct SimPrimary {
    rows: FxHashMap<Key, Row>,
    end: Lsn,
    /// Commits that wait for the replica before anybody sees them here.
    in_doubt: Vec<SimCommit>,
    /// Oldest first.
    pub(super) unreplayed: VecDeque<SimCommit>,
    /// What it tells background agents.
    pub feeds: Feeds,
}

impl Default for SimPrimary {
    fn default() -> Self {
        Self {
            rows: FxHashMap::default(),
            end: Lsn(LOG_ORIGIN),
            in_doubt: Vec::new(),
            unreplayed: VecDeque::new(),
            feeds: Feeds::default(),
        }
    }
}

impl SimPrimary {
    /// The row of `key` as of the last commit that is visible.
    #[must_use]
    pub fn row(&self, key: Key) -> Option<&Row> {
        self.rows.get(&key)
    }

    /// The end of its log.
    #[must_use]
    pub const fn end(&self) -> Lsn {
        self.end
    }

    /// Whether a commit that waits for the replica holds the lock on `key`.
    #[must_use]
    pub fn locked(&self, key: Key) -> bool {
        self.in_doubt.iter().any(|commit| commit.key == key)
    }

    /// The version of `key`, 0 if it is absent.
    #[must_use]
    pub fn version(&self, key: Key) -> u64 {
        self.rows.get(&key).map_or(0, |row| row.version)
    }

    /// Commits a write that is visible at once; its version, and where the
    /// log stood before the commit record.
    pub(super) fn commit(&mut self, key: Key, value: Value) -> (u64, Lsn) {
        let (commit, before) = self.log(key, value);
        let version = commit.row.version;
        self.rows.insert(key, commit.row.clone());
        self.feeds.committed(key, version, commit.end);
        self.unreplayed.push_back(commit);
        (version, before)
    }

    /// Commits two writes in one transaction; their versions, and where the log
    /// stood before the commit record.
    pub(super) fn commit_pair(&mut self, writes: [(Key, Value); 2]) -> ([u64; 2], Lsn) {
        let before = self.begin_commit(2);
        (writes.map(|(key, value)| self.change(key, value)), before)
    }

    /// Commits many writes in one transaction; where the log stood before the
    /// commit record.
    pub(super) fn commit_many(&mut self, writes: Vec<(Key, Value)>) -> Lsn {
        let before = self.begin_commit(writes.len() as u64);
        for (key, value) in writes {
            self.change(key, value);
        }
        before
    }

    /// Changes that end at one position are one transaction, which a replica
    /// replays as one.
    const fn begin_commit(&mut self, changes: u64) -> Lsn {
        let before = Lsn(self.end.0 + changes * CHANGE_BYTES);
        self.end = Lsn(before.0 + COMMIT_BYTES);
        before
    }

    /// A change of a transaction that ends where the log does.
    fn change(&mut self, key: Key, value: Value) -> u64 {
        let row = Row { value, version: self.version(key) + 1 };
        let version = row.version;
        self.rows.insert(key, row.clone());
        self.feeds.committed(key, version, self.end);
        self.unreplayed.push_back(SimCommit { key, row, end: self.end });
        version
    }

    /// Commits a write that nobody sees here before the replica has it.
    /// As in Postgres, the row lock is held until then.
    pub(super) fn commit_in_doubt(&mut self, key: Key, value: Value) -> (u64, Lsn, Lsn) {
        let (commit, before) = self.log(key, value);
        let (version, end) = (commit.row.version, commit.end);
        self.in_doubt.push(commit.clone());
        self.unreplayed.push_back(commit);
        (version, before, end)
    }

    /// Shows the commits in doubt that end at or before `acknowledged`.
    pub(super) fn acknowledge(&mut self, acknowledged: Lsn) {
        while self.in_doubt.first().is_some_and(|commit| commit.end <= acknowledged) {
            let commit = self.in_doubt.remove(0);
            self.feeds.committed(commit.key, commit.row.version, commit.end);
            self.rows.insert(commit.key, commit.row);
        }
    }

    /// Sets a row as part of the setup: replayed everywhere, never logged.
    pub(super) fn seed(&mut self, key: Key, row: Row) {
        self.rows.insert(key, row);
    }

    /// Every row that is visible.
    pub(super) const fn rows(&self) -> &FxHashMap<Key, Row> {
        &self.rows
    }

    /// The promoted replica: it has `rows`, and its log goes on from `end`, so
    /// that positions after `end` are used a second time.
    pub(super) fn promote(&mut self, rows: FxHashMap<Key, Row>, end: Lsn) {
        self.rows = rows;
        self.end = end;
        self.in_doubt.clear();
        self.unreplayed.clear();
        // Rows of the outbox arrive by the log like any others; those of lost
        // commits are lost with them.
        let rows = &self.rows;
        self.feeds.promote(|key, version| rows.get(&key).is_some_and(|row| row.version >= version));
    }

    fn log(&mut self, key: Key, value: Value) -> (SimCommit, Lsn) {
        let version = self.version(key) + 1;
        let before = Lsn(self.end.0 + CHANGE_BYTES);
        self.end = Lsn(before.0 + COMMIT_BYTES);
        (SimCommit { key, row: Row { value, version }, end: self.end }, before)
    }

    pub(super) fn fingerprint(&self, print: &mut Fingerprint) {
        print.map(self.rows.iter());
        print.add(&self.end);
        for commit in self.in_doubt.iter().chain(&self.unreplayed) {
            print.add(&(commit.key, &commit.row, commit.end));
        }
        print.add(&self.in_doubt.len());
        self.feeds.fingerprint(print);
    }
}
