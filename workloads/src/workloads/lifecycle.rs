use std::sync::Arc;

use quarrel_harness::strategy::{
    Beginning, Draw, Generator, Intent, Skew, Workload, WorkloadEntry,
};

/// Rows that are created, deleted and created again. Nothing is there at
/// first, so that who remembers "there is none" over a creation is caught, and
/// so is who brings back what was deleted.
#[derive(Clone, Copy, Debug)]
pub struct Lifecycle;

pub(super) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "lifecycle",
    summary: "rows that are not there at first, are created, deleted and created again",
    keys: 20,
    skew: Skew(0.8),
    reads: 0.7,
    build: || Arc::new(Lifecycle),
};

/// The share of deletes among what changes something: most of the time there
/// is a row to read, and absence comes often.
const DELETES: f64 = 0.4;

impl Workload for Lifecycle {
    fn client(&self) -> Box<dyn Generator> {
        Box::new(Self)
    }

    fn beginning(&self) -> Beginning {
        Beginning::Absent
    }
}

impl Generator for Lifecycle {
    fn next(&mut self, draw: &mut Draw<'_>) -> Intent {
        let key = draw.key();
        if draw.reads() {
            return Intent::Read(key);
        }
        match draw.yes(DELETES) {
            true => Intent::Delete(key),
            false => Intent::Write(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use quarrel_harness::strategy::KeyDraw;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

    use super::*;

    #[test]
    fn rows_come_and_go() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let keys = KeyDraw::new(1, Skew(0.0));
        let mut client = Lifecycle.client();
        let (mut there, mut changes) = (false, 0);
        for _ in 0..10_000 {
            let mut draw = Draw { random: &mut random, keys: &keys, read_share: 0.7 };
            let next = match client.next(&mut draw) {
                Intent::Write(_) => true,
                Intent::Delete(_) => false,
                _ => continue,
            };
            changes += u32::from(next != there);
            there = next;
        }
        assert!(changes > 1_000, "{changes}");
    }
}
