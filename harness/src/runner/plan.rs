use std::{sync::Arc, time::Duration};

use quarrel_checkers::Key;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::{faults::Schedule, strategy::AnyStrategy};

/// When clients begin operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// Each client begins its next operation as soon as the last one ended.
    Closed,
    /// As [`Arrivals::Closed`], but all together not faster than this many
    /// operations a second; a client that is late does not hurry.
    Paced(f64),
    /// This many operations a second are due whether or not earlier ones have
    /// ended; a client that is late hurries.
    Open(f64),
}

/// How unevenly keys are chosen: the exponent of Zipf's law. 0 chooses all
/// alike; at 1 the first of 100 keys gets a fifth of all operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Skew(pub f64);

/// What a storm does.
#[derive(Clone)]
pub struct Plan {
    /// The subject.
    pub strategy: Arc<dyn AnyStrategy>,
    /// How many clients at once.
    pub clients: u64,
    /// How many keys.
    pub keys: u64,
    /// How unevenly they are chosen.
    pub skew: Skew,
    /// The share of reads among operations, between 0 and 1.
    pub read_share: f64,
    /// When operations begin.
    pub arrivals: Arrivals,
    /// How long the storm lasts, without load, heal and final reads.
    pub time: Duration,
    /// Decides every draw.
    pub seed: u64,
    /// What goes wrong when.
    pub schedule: Schedule,
    /// The longest wait for primary, replica and cache to agree in the end.
    pub settle: Duration,
    /// The most one operation may take, in real time; none in the simulator.
    pub deadline: Option<Duration>,
    /// How long between two looks at what the stores hold.
    pub probe_every: Duration,
}

/// Draws keys.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// For each key the share of draws that fall on it or one before it.
    cumulative: Vec<f64>,
}

impl Keys {
    pub(super) fn new(count: u64, skew: Skew) -> Self {
        let weight = |rank: u64| ((rank + 1) as f64).powf(-skew.0);
        let total: f64 = (0..count).map(weight).sum();
        let mut sum = 0.0;
        let cumulative = (0..count)
            .map(|rank| {
                sum += weight(rank) / total;
                sum
            })
            .collect();
        Self { cumulative }
    }

    pub(super) fn draw(&self, random: &mut ChaCha8Rng) -> Key {
        let point: f64 = random.random();
        let rank = self.cumulative.partition_point(|share| *share < point);
        // Rounding may leave the last share just below 1.
        Key(rank.min(self.cumulative.len() - 1) as u64)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    fn counts(skew: f64) -> Vec<usize> {
        let keys = Keys::new(100, Skew(skew));
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
    fn with_zipf_the_first_of_a_hundred_keys_gets_a_fifth() {
        let counts = counts(1.0);
        assert!((18_000..21_000).contains(&counts[0]), "{}", counts[0]);
        assert!(counts[0] > counts[10] && counts[10] > counts[90]);
    }
}
