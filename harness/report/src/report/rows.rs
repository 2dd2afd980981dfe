use std::time::Duration;

use quarrel_checkers::{F, Index, Key, Site, Time};

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationEnd {
    /// It happened.
    Ok,
    /// It certainly had no effect.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// One operation. Who it was and what it read or wrote are looked up in the
/// view: most who look at all rows ask for neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRow {
    /// Its invocation.
    pub invoke: Index,
    /// When it began.
    pub start: Time,
    /// When it ended; none if it never did.
    pub end: Option<Time>,
    /// Which lane it is drawn on.
    pub lane: u16,
    /// What: a transaction reads or writes.
    pub f: F,
    /// How it ended.
    pub ending: OperationEnd,
    /// On what; of a transaction the first of its keys, or the one of which it
    /// read something stale.
    pub key: Option<Key>,
    /// The version it wrote or returned, if known.
    pub version: Option<u64>,
    /// The other key of a transaction, and the version of that.
    pub beside: Option<(Key, Option<u64>)>,
    /// How long before it began its value had been overwritten.
    pub stale: Option<Duration>,
    /// Where a read's value came from, if its steps say so.
    pub source: Option<Site>,
}

impl OperationRow {
    /// The keys that it is about, with their versions.
    pub fn halves(&self) -> impl Iterator<Item = (Key, Option<u64>)> {
        self.key.map(|key| (key, self.version)).into_iter().chain(self.beside)
    }

    /// How long it took.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.end.map(|end| end.since(self.start))
    }
}

/// Every operation, in order of its begin, in little memory: a long run has
/// millions.
#[derive(Clone, Debug, Default)]
pub struct OperationRows {
    all: Vec<Kept>,
    /// Functions by number.
    functions: Vec<F>,
}

/// A row as it is kept; flags say which of the numbers mean something.
#[derive(Clone, Debug)]
struct Kept {
    invoke: Index,
    start: Time,
    end: Time,
    key: Key,
    version: u64,
    /// In nanoseconds.
    stale: u64,
    beside: Option<Box<(Key, Option<u64>)>>,
    lane: u16,
    function: u16,
    ending: OperationEnd,
    source: Option<Site>,
    has: u8,
}

const HAS_END: u8 = 1;
const HAS_KEY: u8 = 2;
const HAS_VERSION: u8 = 4;
const IS_STALE: u8 = 8;

impl Kept {
    const fn with<T>(&self, flag: u8, it: T) -> Option<T>
    where
        T: Copy,
    {
        if self.has & flag == 0 { None } else { Some(it) }
    }
}

impl OperationRows {
    /// None yet, with room for as many.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        Self { all: Vec::with_capacity(rows), functions: Vec::new() }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Appends a row, which begins no earlier than those before it.
    pub fn push(&mut self, row: &OperationRow) {
        let known = self.functions.iter().position(|f| *f == row.f);
        let function = known.unwrap_or_else(|| {
            self.functions.push(row.f.clone());
            self.functions.len() - 1
        });
        let function = u16::try_from(function).expect("operations have few functions");
        self.all.push(Kept::of(row, function));
    }

    /// The row at a place.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn get(&self, place: usize) -> OperationRow {
        let kept = &self.all[place];
        OperationRow {
            invoke: kept.invoke,
            start: kept.start,
            end: kept.with(HAS_END, kept.end),
            lane: kept.lane,
            f: self.functions[usize::from(kept.function)].clone(),
            ending: kept.ending,
            key: kept.with(HAS_KEY, kept.key),
            version: kept.with(HAS_VERSION, kept.version),
            beside: kept.beside.as_deref().copied(),
            stale: kept.with(IS_STALE, kept.stale).map(Duration::from_nanos),
            source: kept.source,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = OperationRow> + ExactSizeIterator + '_ {
        (0..self.len()).map(|place| self.get(place))
    }

    /// Where the operation stands that begins at `invoke`.
    #[must_use]
    pub fn place_of(&self, invoke: Index) -> Option<usize> {
        self.all.binary_search_by_key(&invoke, |row| row.invoke).ok()
    }

    /// Changes the row at a place, but not what it does.
    pub(super) fn change(&mut self, place: usize, change: impl FnOnce(&mut OperationRow)) {
        let mut row = self.get(place);
        change(&mut row);
        let function = self.all[place].function;
        self.all[place] = Kept::of(&row, function);
    }

    /// Moves every row to the lane that `to` gives for its own.
    pub(super) fn move_lanes(&mut self, to: impl Fn(u16) -> u16) {
        self.all.iter_mut().for_each(|row| row.lane = to(row.lane));
    }

    /// Where the row at a place begins.
    pub(super) fn invoke_at(&self, place: usize) -> Index {
        self.all[place].invoke
    }
}

impl Kept {
    fn of(row: &OperationRow, function: u16) -> Self {
        let has = |is: bool, flag: u8| if is { flag } else { 0 };
        let nanos = |stale: Duration| u64::try_from(stale.as_nanos()).unwrap_or(u64::MAX);
        Self {
            invoke: row.invoke,
            start: row.start,
            end: row.end.unwrap_or_default(),
            key: row.key.unwrap_or_default(),
            version: row.version.unwrap_or_default(),
            stale: row.stale.map(nanos).unwrap_or_default(),
            beside: row.beside.map(Box::new),
            lane: row.lane,
            function,
            ending: row.ending,
            source: row.source,
            has: has(row.end.is_some(), HAS_END)
                | has(row.key.is_some(), HAS_KEY)
                | has(row.version.is_some(), HAS_VERSION)
                | has(row.stale.is_some(), IS_STALE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(invoke: u64) -> OperationRow {
        OperationRow {
            invoke: Index(invoke),
            start: Time(invoke),
            end: None,
            lane: 0,
            f: F::Read,
            ending: OperationEnd::Unknown,
            key: None,
            version: None,
            beside: None,
            stale: None,
            source: None,
        }
    }

    /// What is zero is not what is missing.
    #[test]
    fn rows_come_back_as_they_were() {
        let full = OperationRow {
            end: Some(Time(0)),
            lane: 7,
            f: F::from("enqueue"),
            ending: OperationEnd::Ok,
            key: Some(Key(0)),
            version: Some(0),
            beside: Some((Key(1), Some(2))),
            stale: Some(Duration::ZERO),
            source: Some(Site::Cache),
            ..row(4)
        };
        let all = [row(1), full.clone(), OperationRow { f: F::Write, ..row(9) }];
        let mut rows = OperationRows::default();
        all.iter().for_each(|row| rows.push(row));
        assert!(rows.iter().eq(all.iter().cloned()));
        assert_eq!((rows.place_of(Index(4)), rows.place_of(Index(5))), (Some(1), None));
        rows.change(0, |row| row.stale = Some(Duration::from_nanos(3)));
        assert_eq!(rows.get(0).stale, Some(Duration::from_nanos(3)));
    }

    #[test]
    fn a_row_takes_a_cache_line() {
        assert!(size_of::<Kept>() <= 64, "{} bytes", size_of::<Kept>());
    }
}
