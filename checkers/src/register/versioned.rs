use super::{
    DenseError,
    overwritten::{self, Written},
};
use crate::SessionViolations;

/// A completed read or acknowledged write of one of many registers, with the
/// version that the primary gave to its value, in 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionedRecord {
    pub(super) invoked: u64,
    pub(super) returned: u64,
    pub(super) version: u64,
    session: u32,
    /// The key, and in the highest bit whether it is a write.
    key: u32,
}

impl VersionedRecord {
    const WRITE: u32 = 1 << 31;

    /// A completed read of a version, 0 if the key was absent. `key` is less
    /// than 2³¹; `session` numbers the pair of a process and the key.
    #[must_use]
    pub const fn read(key: u32, session: u32, version: u64, invoked: u64, returned: u64) -> Self {
        Self { invoked, returned, version, session, key }
    }

    /// An acknowledged write that was given `version`; the rest as for
    /// [`read`](Self::read).
    #[must_use]
    pub const fn write(key: u32, session: u32, version: u64, invoked: u64, returned: u64) -> Self {
        Self { invoked, returned, version, session, key: key | Self::WRITE }
    }

    pub(super) const fn is_write(self) -> bool {
        self.key & Self::WRITE != 0
    }

    pub(super) const fn key(self) -> usize {
        (self.key & !Self::WRITE) as usize
    }
}

/// Operations on many registers in order of return, with the versions that
/// their primary gave: then session guarantees and staleness in versions need
/// no search, no hashing and no sorting.
///
/// ```
/// use quarrel_checkers::register::{VersionedRecord, VersionedRecords};
///
/// let mut records = VersionedRecords::default();
/// // Session 0 writes versions 1 and 2; session 1 reads 2 and then 1.
/// records.push(VersionedRecord::write(0, 0, 1, 0, 1))?;
/// records.push(VersionedRecord::write(0, 0, 2, 2, 3))?;
/// records.push(VersionedRecord::read(0, 1, 2, 4, 5))?;
/// records.push(VersionedRecord::read(0, 1, 1, 6, 7))?;
/// assert_eq!(records.sessions().monotonic_reads, 1);
/// assert_eq!(records.k(), 2);
/// # Ok::<(), quarrel_checkers::register::DenseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct VersionedRecords {
    records: Vec<VersionedRecord>,
    sessions: usize,
    /// By key.
    written: Vec<Written>,
}

/// The newest that a session has written and read.
#[derive(Clone, Copy, Default)]
struct Session {
    written: u64,
    read: u64,
}

impl VersionedRecords {
    /// Makes room for `count` records.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self { records: Vec::with_capacity(count), ..Self::default() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Adds a record, which must not return before those there are.
    ///
    /// # Errors
    ///
    /// [`DenseError::Unordered`] if it does.
    pub fn push(&mut self, record: VersionedRecord) -> Result<(), DenseError> {
        if self.records.last().is_some_and(|last| last.returned > record.returned) {
            return Err(DenseError::Unordered { record: self.records.len() });
        }
        if record.key() >= self.written.len() {
            self.written.resize(record.key() + 1, Written::default());
        }
        if record.is_write() {
            self.written[record.key()].add(record.version);
        }
        self.sessions = self.sessions.max(record.session as usize + 1);
        self.records.push(record);
        Ok(())
    }

    /// The operations that went behind what their own session had written or
    /// read of the key before (Terry et al., PDIS 1994).
    #[must_use]
    pub fn sessions(&self) -> SessionViolations {
        let mut sessions = vec![Session::default(); self.sessions];
        let mut found = SessionViolations::default();
        for record in &self.records {
            let session = &mut sessions[record.session as usize];
            let missed_write = u64::from(session.written > record.version);
            let missed_read = u64::from(session.read > record.version);
            if record.is_write() {
                found.monotonic_writes += missed_write;
                found.writes_follow_reads += missed_read;
                session.written = session.written.max(record.version);
            } else {
                found.read_your_writes += missed_write;
                found.monotonic_reads += missed_read;
                session.read = session.read.max(record.version);
            }
        }
        found
    }

    /// The smallest `k` for which the history is k-atomic in the order of its
    /// versions: one more than the most acknowledged writes of a newer version
    /// that had ended when some read began.
    #[must_use]
    pub fn k(&self) -> u64 {
        let most = overwritten::most(&self.records, &self.written);
        most as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_and_come_in_order_of_return() {
        let mut records = VersionedRecords::with_capacity(3);
        assert!(records.is_empty());
        // Two at one instant are in order.
        for (version, returned) in [(1, 5), (2, 5), (3, 7)] {
            records.push(VersionedRecord::write(0, 0, version, 1, returned)).unwrap();
        }
        assert_eq!((records.len(), records.is_empty()), (3, false));
        let early = records.push(VersionedRecord::read(0, 0, 1, 2, 6));
        assert_eq!(early, Err(DenseError::Unordered { record: 3 }));
        assert_eq!(records.len(), 3);
    }
}
