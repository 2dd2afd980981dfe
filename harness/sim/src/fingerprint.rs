use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};

/// 128 bits that stand for a state: two SipHash values from different starts.
///
/// Searches drop a state whose fingerprint they have seen. With ten million
/// states the chance that any two different ones share 128 bits is below
/// 10⁻²⁴, which we take for never.
#[derive(Clone, Debug)]
pub struct Fingerprint {
    one: DefaultHasher,
    two: DefaultHasher,
}

impl Default for Fingerprint {
    fn default() -> Self {
        let mut two = DefaultHasher::new();
        two.write_u64(0x9E37_79B9_7F4A_7C15);
        Self { one: DefaultHasher::new(), two }
    }
}

impl Fingerprint {
    /// Adds a part of the state. The order of parts matters.
    pub fn add(&mut self, part: &impl Hash) {
        part.hash(&mut self.one);
        part.hash(&mut self.two);
    }

    /// Adds a map, whatever the order in which it yields its entries.
    pub fn map<T: Hash>(&mut self, entries: impl Iterator<Item = T>) {
        // Two different starts here as well, or one collision in an entry
        // would be a collision of the whole.
        let (one, two) = (BuildHasherDefault::<DefaultHasher>::default(), Self::default().two);
        let mut sums = [0_u64; 3];
        for entry in entries {
            let mut second = two.clone();
            entry.hash(&mut second);
            sums[0] = sums[0].wrapping_add(one.hash_one(&entry));
            sums[1] = sums[1].wrapping_add(second.finish());
            sums[2] += 1;
        }
        self.one.write_u64(sums[0]);
        self.two.write_u64(sums[1]);
        self.add(&sums[2]);
    }

    /// The fingerprint of everything added.
    #[must_use]
    pub fn finish(&self) -> u128 {
        u128::from(self.one.finish()) << 64 | u128::from(self.two.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::Fingerprint;

    fn of(entries: &[(u8, u8)]) -> u128 {
        let mut print = Fingerprint::default();
        print.map(entries.iter());
        print.finish()
    }

    #[test]
    fn a_map_is_the_same_in_any_order_and_differs_by_content() {
        assert_eq!(of(&[(1, 2), (3, 4)]), of(&[(3, 4), (1, 2)]));
        assert_ne!(of(&[(1, 2), (3, 4)]), of(&[(1, 4), (3, 2)]));
        assert_ne!(of(&[(1, 2)]), of(&[(1, 2), (1, 2)]));
    }

    #[test]
    fn order_of_parts_matters() {
        let (mut a, mut b) = (Fingerprint::default(), Fingerprint::default());
        a.add(&1_u8);
        a.add(&2_u8);
        b.add(&2_u8);
        b.add(&1_u8);
        assert_ne!(a.finish(), b.finish());
    }
}
