//! Draws decided by a seed, and by nothing that the clock or the scheduler can
//! change.
//!
//! Every draw is keyed by what it is about (proxy, connection, toxic), instead
//! of being the next number of one shared generator: connections that run
//! concurrently then cannot change each other's fate.

use std::fmt;

/// The seed of all draws of one fault proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Seed {
    /// A seed from the operating system, for when the user gave none.
    #[must_use]
    pub fn from_entropy() -> Self {
        // The standard library seeds its hash maps from the operating system;
        // that is all the entropy a default seed needs.
        use std::hash::{BuildHasher, Hasher};
        Self(std::collections::hash_map::RandomState::new().build_hasher().finish())
    }

    /// The key of everything drawn for one connection of one proxy.
    pub(crate) fn connection(self, proxy: &str, connection: u64) -> Key {
        Key(mix(self.0)).with(proxy.as_bytes()).number(connection)
    }
}

/// A point in the tree of draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    /// Descends by a name (FNV-1a, then a finalizer so that short names
    /// differing in one bit end far apart).
    pub(crate) fn with(self, name: &[u8]) -> Self {
        let mut hash = self.0 ^ 0xcbf2_9ce4_8422_2325;
        for byte in name {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self(mix(hash ^ name.len() as u64))
    }

    /// Descends by a number.
    pub(crate) const fn number(self, number: u64) -> Self {
        Self(mix(self.0 ^ mix(number)))
    }

    /// A number drawn uniformly from [0, 1).
    pub(crate) fn unit(self) -> f64 {
        // 53 bits are what a double holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let numerator = (self.0 >> 11) as f64;
        numerator / (1u64 << 53) as f64
    }

    /// A number drawn uniformly from `low..=high`.
    pub(crate) fn between(self, low: u64, high: u64) -> u64 {
        let span = u128::from(high - low) + 1;
        // The bias of this multiplication is below span / 2^64.
        low + ((u128::from(self.0) * span) >> 64) as u64
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014).
const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_fates() {
        let draw = |seed: u64, connection: u64| {
            Seed(seed).connection("redis", connection).with(b"t").unit()
        };
        assert_eq!(draw(7, 3).to_bits(), draw(7, 3).to_bits());
        assert_ne!(draw(7, 3).to_bits(), draw(7, 4).to_bits());
        assert_ne!(draw(7, 3).to_bits(), draw(8, 3).to_bits());
    }

    #[test]
    fn draws_are_spread_evenly() {
        // 10,000 draws in ten bins: a chi-square of 9 degrees of freedom stays
        // below 27.9 in 999 of 1,000 seeds; this seed is fixed.
        let mut bins = [0u32; 10];
        for connection in 0..10_000 {
            let unit = Seed(1).connection("p", connection).with(b"toxic").unit();
            assert!((0.0..1.0).contains(&unit));
            bins[(unit * 10.0) as usize] += 1;
        }
        let chi: f64 = bins.iter().map(|n| (f64::from(*n) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 27.9, "chi-square {chi} of {bins:?}");
    }

    #[test]
    fn a_range_reaches_both_of_its_ends() {
        let mut seen = [false; 3];
        for n in 0..100 {
            let drawn = Seed(5).connection("p", n).between(4, 6);
            seen[usize::try_from(drawn - 4).expect("4..=6")] = true;
        }
        assert_eq!(seen, [true; 3]);
    }
}
