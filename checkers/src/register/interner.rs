/// Gives numbers from 0 without gaps to pairs of a key and a value.
///
/// A flat table with open addressing. Values are usually counters, so
/// neighbours are kept in one neighbourhood of the table; it costs a factor of
/// three in cache misses to scatter them.
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

/// So many neighbouring values stay together.
const NEIGHBOURS_LOG2: u32 = 6;

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
        let mut at = home(key, value) & mask;
        loop {
            let slot = &mut self.slots[at];
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
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![FREE; old.len() * 2];
        let mask = self.slots.len() - 1;
        for slot in old.into_iter().filter(|slot| slot.number != 0) {
            let mut at = home(slot.key, slot.value) & mask;
            while self.slots[at].number != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }
}

/// Where a pair would like to be.
fn home(key: u32, value: u64) -> usize {
    let block = (value >> NEIGHBOURS_LOG2) ^ u64::from(key).wrapping_mul(SCATTER);
    let scattered = block.wrapping_mul(SCATTER);
    let scattered = scattered ^ (scattered >> 32);
    // The table has no more than 2³² slots, whose number the low bits give.
    ((scattered << NEIGHBOURS_LOG2) + (value & ((1 << NEIGHBOURS_LOG2) - 1))) as usize
}
