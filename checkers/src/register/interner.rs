/// Gives numbers from 0 without gaps to pairs of a key and a value.
///
/// A flat table with open addressing. Values are usually counters, of each key
/// or over all keys, so neighbouring values have neighbouring places, whatever
/// their keys; only where those are taken does a pair go to a place of its own
/// far away. Scattering all of them would miss the caches at every look. Where
/// values have no pattern and all are there, [`Numbering`](super::Numbering) is
/// faster.
///
/// ```
/// use quarrel_checkers::register::Interner;
///
/// let mut interner = Interner::default();
/// assert_eq!(interner.number(7, 1_000), 0);
/// assert_eq!(interner.number(8, 1_000), 1);
/// assert_eq!(interner.number(7, 1_000), 0);
/// ```
#[derive(Clone, Debug)]
pub struct Interner {
    /// A power of two of them.
    slots: Vec<Slot>,
    count: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    value: u64,
    key: u32,
    /// One more than the number; 0 if the slot is free.
    number: u32,
}

const FREE: Slot = Slot { value: 0, key: 0, number: 0 };

/// An odd number without pattern: 2⁶⁴ divided by the golden ratio.
const SCATTER: u64 = 0x9E37_79B9_7F4A_7C15;

impl Default for Interner {
    fn default() -> Self {
        Self::with_capacity(512)
    }
}

impl Interner {
    /// Makes room for `count` pairs.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        let slots = (count * 2).next_power_of_two().max(1024);
        Self { slots: vec![FREE; slots], count: 0 }
    }

    /// How many pairs there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The number of a pair, a new one if it is new.
    pub fn number(&mut self, key: u32, value: u64) -> u32 {
        let mask = self.slots.len() - 1;
        let mut places = Places::of(key, value);
        loop {
            let slot = &mut self.slots[places.next() & mask];
            if slot.number == 0 {
                self.count += 1;
                *slot = Slot { value, key, number: self.count };
                if self.count as usize * 2 > self.slots.len() {
                    self.grow();
                }
                return self.count - 1;
            }
            if slot.value == value && slot.key == key {
                return slot.number - 1;
            }
        }
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![FREE; old.len() * 2];
        let mask = self.slots.len() - 1;
        for slot in old.into_iter().filter(|slot| slot.number != 0) {
            let mut places = Places::of(slot.key, slot.value);
            let mut at = places.next() & mask;
            while self.slots[at].number != 0 {
                at = places.next() & mask;
            }
            self.slots[at] = slot;
        }
    }
}

/// How many places are looked at where the value itself points.
const NEAR: u32 = 2;

/// Where a pair may be, in order; to be cut to the size of the table.
struct Places {
    near: usize,
    far: usize,
    looked: u32,
}

impl Places {
    #[inline]
    fn of(key: u32, value: u64) -> Self {
        let far = scatter(value.wrapping_add(scatter(u64::from(key) + 1))) as usize;
        Self { near: value as usize, far, looked: 0 }
    }

    #[inline]
    fn next(&mut self) -> usize {
        self.looked += 1;
        if self.looked <= NEAR {
            self.near.wrapping_add(self.looked as usize - 1)
        } else {
            self.far.wrapping_add((self.looked - NEAR) as usize)
        }
    }
}

/// Spreads over all bits, the low ones of which become the place.
fn scatter(n: u64) -> u64 {
    let product = n.wrapping_mul(SCATTER);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use rustc_hash::FxHashMap;

    use super::*;
    use crate::generate::Random;

    #[test]
    fn numbers_are_those_of_a_map_whatever_the_pattern() {
        let mut random = Random::seeded(5);
        type Pattern = fn(u64, &mut Random) -> (u32, u64);
        let patterns: [Pattern; 6] = [
            |n, _| (n as u32 % 100, n),
            |n, _| (n as u32 % 100, n / 100),
            |n, _| (0, n << 40),
            |n, _| (n as u32 % 3, n * 4096),
            |_, random| (0, random.next()),
            |_, random| (random.below(50) as u32, random.below(500)),
        ];
        for pattern in patterns {
            let mut interner = Interner::default();
            assert!(interner.is_empty());
            let mut map: FxHashMap<(u32, u64), u32> = FxHashMap::default();
            for n in 0..30_000 {
                let (key, value) = pattern(n, &mut random);
                let next = map.len() as u32;
                let expected = *map.entry((key, value)).or_insert(next);
                assert_eq!(interner.number(key, value), expected);
            }
            assert_eq!(interner.len(), map.len());
            assert!(!interner.is_empty());
        }
    }
}
