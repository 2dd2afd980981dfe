/// Numbers for pairs of a key and a value, from 0 in order of first
/// appearance: what [`Interner`](super::Interner) would give to each of them
/// in turn, many times faster where values have no pattern.
///
/// A table of all pairs would miss the caches at every look. So the pairs are
/// first dealt out by their hash into parts so small that the table of one
/// stays in the cache of the core; the deal is a few sequential passes.
///
/// ```
/// use quarrel_checkers::register::Numbering;
///
/// let numbering = Numbering::of(&[(7, 1_000), (8, 1_000), (7, 1_000)]);
/// assert_eq!(numbering.numbers, [0, 1, 0]);
/// assert_eq!(numbering.distinct, 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The number of each pair, in the order in which they were given.
    pub numbers: Vec<u32>,
    /// How many different pairs there are.
    pub distinct: u32,
}

/// A pair on its way, and where it came from.
#[derive(Clone, Copy, Debug, Default)]
struct Dealt {
    value: u64,
    key: u32,
    position: u32,
}

/// A place in the table of one part.
#[derive(Clone, Copy, Debug)]
struct Slot {
    value: u64,
    key: u32,
    /// Where the pair appeared first; [`FREE`] if nothing is here.
    first: u32,
}

const FREE: u32 = u32::MAX;

/// How many pairs a part should have: a table of them takes 128 KiB.
const PART: usize = 1 << 12;

/// More parts than this are not dealt at once: every part is a place in memory
/// that is written to, and a core keeps track of so many.
const MAX_PARTS_LOG2: u32 = 11;

impl Numbering {
    /// Numbers `pairs`.
    ///
    /// # Panics
    ///
    /// If there are 2³² − 1 pairs or more.
    #[must_use]
    pub fn of(pairs: &[(u32, u64)]) -> Self {
        assert!(pairs.len() < FREE as usize, "pairs are counted in 32 bits");
        let mut numbers = vec![0; pairs.len()];
        let (dealt, ends) = deal(pairs);
        let mut table = Vec::new();
        let mut start = 0;
        for end in ends {
            first_appearances(&dealt[start..end], &mut table, &mut numbers);
            start = end;
        }
        let distinct = renumber(&mut numbers);
        Self { numbers, distinct }
    }
}

/// Deals pairs out into parts, in order within each; also says where each part
/// ends.
fn deal(pairs: &[(u32, u64)]) -> (Vec<Dealt>, Vec<usize>) {
    let log2 = (pairs.len() / PART).max(1).ilog2().min(MAX_PARTS_LOG2);
    // Two shifts, for one by all 64 bits is none.
    let part = |key, value| (hash(key, value) >> 1 >> (63 - log2)) as usize;
    let mut places = vec![0; 1 << log2];
    for &(key, value) in pairs {
        places[part(key, value)] += 1;
    }
    let mut sum = 0;
    for place in &mut places {
        sum += std::mem::replace(place, sum);
    }
    let mut dealt = vec![Dealt::default(); pairs.len()];
    for (position, &(key, value)) in (0..).zip(pairs) {
        let place = &mut places[part(key, value)];
        dealt[*place] = Dealt { value, key, position };
        *place += 1;
    }
    (dealt, places)
}

/// Writes for each pair of a part where it appeared first.
fn first_appearances(part: &[Dealt], table: &mut Vec<Slot>, firsts: &mut [u32]) {
    let size = (part.len() + part.len() / 2).next_power_of_two();
    let mask = size - 1;
    table.clear();
    table.resize(size, Slot { value: 0, key: 0, first: FREE });
    for &Dealt { value, key, position } in part {
        // The highest bits chose the part; these are others.
        let mut at = hash(key, value) as usize & mask;
        loop {
            let slot = &mut table[at];
            let is_free = slot.first == FREE;
            // Whether a pair is new cannot be foreseen, so nothing branches on
            // it: both cases write the slot.
            if is_free | (slot.value == value && slot.key == key) {
                let first = if is_free { position } else { slot.first };
                *slot = Slot { value, key, first };
                firsts[position as usize] = first;
                break;
            }
            at = (at + 1) & mask;
        }
    }
}

/// Makes numbers of first appearances, in place; says how many there are.
fn renumber(firsts: &mut [u32]) -> u32 {
    let mut next = 0;
    for position in 0..firsts.len() {
        let first = firsts[position] as usize;
        let is_new = first == position;
        firsts[position] = if is_new { next } else { firsts[first] };
        next += u32::from(is_new);
    }
    next
}

/// Spreads a pair over all bits (the finisher of `SplitMix64`).
fn hash(key: u32, value: u64) -> u64 {
    let mut n = value ^ u64::from(key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{generate::Random, register::Interner};

    #[test]
    fn numbers_are_those_of_the_interner_whatever_the_pattern() {
        let mut random = Random::seeded(5);
        type Pattern = fn(u64, &mut Random) -> (u32, u64);
        let patterns: [Pattern; 6] = [
            |n, _| (n as u32 % 100, n),
            |n, _| (n as u32 % 100, n / 100),
            |n, _| (0, n << 40),
            |n, _| (n as u32 % 3, n % 5_000 * 4096),
            |_, random| (0, random.next()),
            |_, random| (random.below(50) as u32, random.below(500)),
        ];
        for pattern in patterns {
            for count in [0, 1, 2, 4_095, 4_096, 8_192, 60_000] {
                let pairs: Vec<_> = (0..count).map(|n| pattern(n, &mut random)).collect();
                let mut interner = Interner::default();
                let expected: Vec<u32> =
                    pairs.iter().map(|&(key, value)| interner.number(key, value)).collect();
                let numbering = Numbering::of(&pairs);
                assert_eq!(numbering.numbers, expected);
                assert_eq!(numbering.distinct as usize, interner.len());
            }
        }
    }

    /// The free mark of a slot is no position, and a pair of zeros is a pair.
    #[test]
    fn zeros_and_the_largest_are_pairs_like_others() {
        let pairs = [(0, 0), (u32::MAX, u64::MAX), (0, u64::MAX), (u32::MAX, 0), (0, 0)];
        assert_eq!(Numbering::of(&pairs).numbers, [0, 1, 2, 3, 0]);
    }
}
