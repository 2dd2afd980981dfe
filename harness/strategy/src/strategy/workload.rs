use std::sync::Arc;

use quarrel_checkers::{HistoryRef, Key, Value, Verdict};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::stores::Row;

/// What a client means to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Reads a key.
    Read(Key),
    /// Writes a new value.
    Write(Key),
    /// Deletes the row: a write of nil.
    Delete(Key),
    /// Reads a key and writes a value made from what it read: two operations,
    /// the second through [`Strategy::update`](super::Strategy::update).
    Update(Key),
    /// Reads two keys that belong together, as one operation:
    /// [`Strategy::read_pair`](super::Strategy::read_pair).
    ReadPair([Key; 2]),
    /// Writes two new values that belong together, as one operation:
    /// [`Strategy::write_pair`](super::Strategy::write_pair).
    WritePair([Key; 2]),
}

/// What clients do, and what must hold of it beyond the guarantees that every
/// run is judged by.
///
/// ```
/// use quarrel_checkers::Value;
/// use quarrel_strategy::{
///     stores::Row,
///     strategy::{Draw, Generator, Intent, Workload},
/// };
///
/// /// Every client writes and reads in turn.
/// struct Alternate;
///
/// struct Turn(bool);
///
/// impl Generator for Turn {
///     fn next(&mut self, draw: &mut Draw<'_>) -> Intent {
///         self.0 = !self.0;
///         let key = draw.key();
///         if self.0 { Intent::Write(key) } else { Intent::Read(key) }
///     }
/// }
///
/// impl Workload for Alternate {
///     fn client(&self) -> Box<dyn Generator> {
///         Box::new(Turn(false))
///     }
/// }
/// ```
pub trait Workload: Send + Sync + 'static {
    /// What one client does, without end.
    fn client(&self) -> Box<dyn Generator>;

    /// The value of write number `number` of the run, based on `read` in an
    /// update. It must be no other write's value.
    fn value(&self, number: u64, read: Option<&Row>) -> Value {
        let _ = read;
        Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// What there is before the storm.
    fn beginning(&self) -> Beginning {
        Beginning::Loaded
    }

    /// What must hold besides.
    fn check(&self, history: HistoryRef<'_>) -> Verdict {
        let _ = history;
        Verdict::valid()
    }
}

/// What clients find when a storm begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Every key has a value, written through the strategy.
    Loaded,
    /// There is no row yet.
    Absent,
}

/// The intents of one client.
pub trait Generator: Send {
    /// The next one.
    fn next(&mut self, draw: &mut Draw<'_>) -> Intent;
}

/// Random draws for a [`Generator`], decided by the run's seed.
#[derive(Debug)]
pub struct Draw<'a> {
    /// Where they come from.
    pub random: &'a mut ChaCha8Rng,
    /// How keys are chosen.
    pub keys: &'a KeyDraw,
    /// The share of reads that was asked for.
    pub read_share: f64,
}

impl Draw<'_> {
    /// A key.
    pub fn key(&mut self) -> Key {
        self.keys.draw(self.random)
    }

    /// Yes at this share of draws.
    pub fn yes(&mut self, share: f64) -> bool {
        self.random.random_bool(share)
    }

    /// Whether to read, at the share that was asked for.
    pub fn reads(&mut self) -> bool {
        self.random.random_bool(self.read_share)
    }
}

/// A workload in the catalogue.
#[derive(Clone, Copy)]
pub struct WorkloadEntry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// How many keys, unless told otherwise.
    pub keys: u64,
    /// How unevenly they are chosen, unless told otherwise.
    pub skew: Skew,
    /// The share of reads, unless told otherwise.
    pub reads: f64,
    /// Makes it.
    pub build: fn() -> Arc<dyn Workload>,
}

/// Reads and writes of single keys at the share of reads that was asked for:
/// what most runs need.
#[derive(Clone, Copy, Debug)]
pub struct RegisterWorkload;

impl RegisterWorkload {
    /// Its entry, which every catalogue has.
    pub const ENTRY: WorkloadEntry = WorkloadEntry {
        name: "register",
        summary: "reads and writes of single keys, each write a number of its own",
        keys: 20,
        skew: Skew(0.8),
        reads: 0.8,
        build: || Arc::new(Self),
    };
}

impl Workload for RegisterWorkload {
    fn client(&self) -> Box<dyn Generator> {
        Box::new(Self)
    }
}

impl Generator for RegisterWorkload {
    fn next(&mut self, draw: &mut Draw<'_>) -> Intent {
        let key = draw.key();
        if draw.reads() { Intent::Read(key) } else { Intent::Write(key) }
    }
}

/// How unevenly keys are chosen: the exponent of Zipf's law. 0 chooses all
/// alike; at 1 the first of 100 keys gets a fifth of all operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Skew(pub f64);

/// Draws keys.
#[derive(Clone, Debug)]
pub struct KeyDraw {
    /// For each key the share of draws that fall on it or one before it.
    cumulative: Vec<f64>,
    first: u64,
}

impl KeyDraw {
    /// The keys 0 to `count`, that one excluded.
    #[must_use]
    pub fn new(count: u64, skew: Skew) -> Self {
        let weight = |rank: u64| ((rank + 1) as f64).powf(-skew.0);
        let total: f64 = (0..count).map(weight).sum();
        let mut sum = 0.0;
        let cumulative = (0..count)
            .map(|rank| {
                sum += weight(rank) / total;
                sum
            })
            .collect();
        Self { cumulative, first: 0 }
    }

    /// As many keys as unevenly, but the first of them is `first`.
    #[must_use]
    pub fn beginning_at(self, first: u64) -> Self {
        Self { first, ..self }
    }

    /// A key.
    pub fn draw(&self, random: &mut ChaCha8Rng) -> Key {
        let point: f64 = random.random();
        let rank = self.cumulative.partition_point(|share| *share < point);
        // Rounding may leave the last share just below 1.
        Key(self.first + rank.min(self.cumulative.len() - 1) as u64)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    fn counts(skew: f64) -> Vec<usize> {
        let keys = KeyDraw::new(100, Skew(skew));
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut counts = vec![0; 100];
        for _ in 0..100_000 {
            counts[keys.draw(&mut random).0 as usize] += 1;
        }
        counts
    }

    #[test]
    fn without_skew_all_keys_are_drawn_alike() {
        assert!(counts(0.0).iter().all(|count| (800..1200).contains(count)));
    }

    #[test]
    fn keys_may_begin_anywhere() {
        let keys = KeyDraw::new(3, Skew(0.0)).beginning_at(40);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let drawn: std::collections::BTreeSet<u64> =
            (0..100).map(|_| keys.draw(&mut random).0).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [40, 41, 42]);
    }

    #[test]
    fn with_zipf_the_first_of_a_hundred_keys_gets_a_fifth() {
        let counts = counts(1.0);
        assert!((18_000..21_000).contains(&counts[0]), "{}", counts[0]);
        assert!(counts[0] > counts[10] && counts[10] > counts[90]);
    }
}
