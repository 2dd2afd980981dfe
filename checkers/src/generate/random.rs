/// A small deterministic generator of numbers (SplitMix64, Steele, Lea &
/// Flood, OOPSLA 2014): the same seed gives the same numbers everywhere.
///
/// ```
/// use quarrel_checkers::generate::Random;
///
/// assert_eq!(Random::seeded(7).next(), Random::seeded(7).next());
/// ```
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers are determined by `seed`.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, uniform over all of them.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number less than `bound`, which is not 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        // The high half of a product; the bias is below bound / 2^64.
        ((self.next() as u128 * bound as u128) >> 64) as u64
    }

    /// Whether something of this probability, in parts per thousand, occurs.
    pub const fn permille(&mut self, probability: u64) -> bool {
        self.below(1000) < probability
    }
}
