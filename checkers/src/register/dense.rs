use std::fmt;

use super::{
    Delta, OPEN, RegisterOperation, ValueId,
    delta::{Front, Shift, Zone},
};

/// A read or write of one of many registers, in 24 bytes. Keys and values are
/// numbers that someone gave out while recording, which is the cheapest place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseRecord {
    invoked: u64,
    returned: u64,
    /// Number of the value over all keys, or [`DenseRecord::INITIAL`].
    value: u32,
    /// The key, and in the highest bit whether it is a write.
    key: u32,
}

impl DenseRecord {
    /// The number of a value that was there before everything.
    pub const INITIAL: u32 = u32::MAX;

    const WRITE: u32 = 1 << 31;

    /// A completed read. `key` is less than 2³¹.
    #[must_use]
    pub const fn read(key: u32, value: u32, invoked: u64, returned: u64) -> Self {
        Self { invoked, returned, value, key }
    }

    /// A write; `returned` is [`OPEN`] if its outcome is unknown. `key` is less
    /// than 2³¹.
    #[must_use]
    pub const fn write(key: u32, value: u32, invoked: u64, returned: u64) -> Self {
        Self { invoked, returned, value, key: key | Self::WRITE }
    }

    const fn is_write(self) -> bool {
        self.key & Self::WRITE != 0
    }

    const fn key(self) -> u32 {
        self.key & !Self::WRITE
    }
}

/// Records cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DenseError {
    /// A value was written twice.
    #[error("value {value} is written twice")]
    NotUnique {
        /// Its number.
        value: u32,
    },
    /// A record returned before the one in front of it.
    #[error("record {record} returned before the one in front of it")]
    Unordered {
        /// Its position.
        record: usize,
    },
}

/// A key whose records are not linearizable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The key.
    pub key: u32,
    /// The number of a value that is involved.
    pub value: u32,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} is not linearizable around value number {}", self.key, self.value)
    }
}

/// Operations on many registers in order of return: the fast form of what
/// [`check`](super::check) takes, for histories of millions.
///
/// Two passes decide: one over the records, one over the values. Nothing is
/// sorted or hashed; beside the records it takes 28 bytes a value and 16 a key.
///
/// ```
/// use quarrel_checkers::register::{DenseRecord, DenseRecords};
///
/// let mut records = DenseRecords::default();
/// records.push(DenseRecord::write(0, 0, 0, 1))?;
/// records.push(DenseRecord::write(0, 1, 2, 3))?;
/// records.push(DenseRecord::read(0, 0, 4, 5))?;
/// assert_eq!(records.check()?.map(|conflict| conflict.key), Some(0));
/// # Ok::<(), quarrel_checkers::register::DenseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct DenseRecords {
    /// In pieces, none of which grows: a list that doubles needs up to three
    /// times its room for a moment.
    pieces: Vec<Vec<DenseRecord>>,
    count: usize,
    last_returned: u64,
    values: usize,
    keys: usize,
}

/// Records in a piece, unless the caller knows how many there will be.
const PIECE: usize = 1 << 16;

/// A value as the first pass leaves it. Instants are shifted by one.
#[derive(Clone, Copy)]
struct Cluster {
    first_return: u64,
    last_invoke: u64,
    key: u32,
    is_written: bool,
}

impl Cluster {
    const EMPTY: Self = Self { first_return: u64::MAX, last_invoke: 0, key: 0, is_written: false };
}

/// The zone of a key that reaches furthest.
#[derive(Clone, Copy, Default)]
struct Widest {
    first_return: u64,
    last_invoke: u64,
}

impl DenseRecords {
    /// Makes room for `count` records.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self { pieces: vec![Vec::with_capacity(count)], ..Self::default() }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a record, which must not return before those there are.
    ///
    /// # Errors
    ///
    /// [`DenseError::Unordered`] if it does.
    pub fn push(&mut self, record: DenseRecord) -> Result<(), DenseError> {
        if self.last_returned > record.returned {
            return Err(DenseError::Unordered { record: self.count });
        }
        self.last_returned = record.returned;
        self.keys = self.keys.max(record.key() as usize + 1);
        if record.value != DenseRecord::INITIAL {
            self.values = self.values.max(record.value as usize + 1);
        }
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < piece.capacity() => piece.push(record),
            _ => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(record);
                self.pieces.push(piece);
            }
        }
        self.count += 1;
        Ok(())
    }

    fn iter(&self) -> impl Iterator<Item = &DenseRecord> {
        self.pieces.iter().flatten()
    }

    /// Whether all keys are linearizable; if not, one that is not.
    ///
    /// # Errors
    ///
    /// [`DenseError::NotUnique`] if a value is written twice or an initial one
    /// at all.
    pub fn check(&self) -> Result<Option<Conflict>, DenseError> {
        let mut clusters = vec![Cluster::EMPTY; self.values];
        let mut keys = vec![Widest::default(); self.keys];
        let mut order: Vec<u32> = Vec::with_capacity(self.values);
        let mut conflict = None;
        for record in self.pieces.iter().flat_map(|piece| piece.iter()) {
            let invoked = record.invoked + 1;
            let Some(cluster) = clusters.get_mut(record.value as usize) else {
                if record.is_write() {
                    return Err(DenseError::NotUnique { value: record.value });
                }
                let initial = &mut keys[record.key() as usize];
                initial.last_invoke = initial.last_invoke.max(invoked);
                continue;
            };
            if cluster.first_return == u64::MAX && record.returned != OPEN {
                cluster.first_return = record.returned + 1;
                cluster.key = record.key();
                order.push(record.value);
            }
            cluster.last_invoke = cluster.last_invoke.max(invoked);
            if record.is_write() {
                if cluster.is_written {
                    return Err(DenseError::NotUnique { value: record.value });
                }
                cluster.is_written = true;
                // Reads that returned before this write did come before it
                // here; did one return even before it was invoked?
                if cluster.first_return < invoked {
                    conflict = Some(Conflict { key: record.key(), value: record.value });
                }
            }
        }
        for &value in &order {
            let cluster = &clusters[value as usize];
            let widest = &mut keys[cluster.key as usize];
            let contradicts = widest.last_invoke > cluster.first_return
                && widest.first_return < cluster.last_invoke;
            if contradicts || !cluster.is_written {
                return Ok(Some(Conflict { key: cluster.key, value }));
            }
            if cluster.last_invoke > widest.last_invoke {
                let Cluster { first_return, last_invoke, .. } = *cluster;
                *widest = Widest { first_return, last_invoke };
            }
        }
        Ok(conflict)
    }

    /// The largest [`Delta`] over all keys, with instants in nanoseconds.
    ///
    /// # Errors
    ///
    /// As [`Self::check`].
    pub fn delta(&self) -> Result<Delta, DenseError> {
        if self.check()?.is_none() {
            return Ok(Delta::default());
        }
        let unseen = Zone { first_return: u64::MAX, write_invoked: u64::MAX, last_read: 0 };
        let mut zones = vec![(unseen, 0_u32); self.values];
        let mut fronts = vec![Front::default(); self.keys];
        let mut initial = vec![Zone::default(); self.keys];
        let mut order: Vec<u32> = Vec::with_capacity(self.values);
        for record in self.pieces.iter().flat_map(|piece| piece.iter()) {
            let invoked = record.invoked + 1;
            let Some((zone, key)) = zones.get_mut(record.value as usize) else {
                let zone = &mut initial[record.key() as usize];
                zone.last_read = zone.last_read.max(invoked);
                continue;
            };
            if zone.first_return == u64::MAX && record.returned != OPEN {
                zone.first_return = record.returned + 1;
                *key = record.key();
                order.push(record.value);
            }
            if record.is_write() {
                zone.write_invoked = invoked;
            } else {
                zone.last_read = zone.last_read.max(invoked);
            }
        }
        let mut shift = Shift::Finite(0);
        for (front, zone) in fronts.iter_mut().zip(initial) {
            front.admit(zone, &mut shift);
        }
        for &value in &order {
            let (zone, key) = zones[value as usize];
            if zone.first_return < zone.write_invoked {
                return Ok(Delta::Infinite);
            }
            fronts[key as usize].admit(zone, &mut shift);
        }
        Ok(shift.into())
    }

    /// The operations of one key, with its values numbered from 1, for
    /// [`check`](super::check), which says what contradicts what.
    #[must_use]
    pub fn of_key(&self, key: u32) -> Vec<RegisterOperation> {
        let mut ids = rustc_hash::FxHashMap::default();
        let mut operations = Vec::new();
        for record in self.iter().filter(|record| record.key() == key) {
            let value = if record.value == DenseRecord::INITIAL {
                ValueId::INITIAL
            } else {
                let next = u32::try_from(ids.len() + 1).expect("values are numbered in 32 bits");
                *ids.entry(record.value).or_insert(ValueId(next))
            };
            operations.push(if record.is_write() {
                RegisterOperation::write(value, record.invoked, record.returned)
            } else {
                RegisterOperation::read(value, record.invoked, record.returned)
            });
        }
        operations
    }
}
