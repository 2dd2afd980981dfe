use std::sync::Arc;

use quarrel_checkers::Key;
use quarrel_harness::strategy::{Draw, Generator, Intent, Skew, Workload, WorkloadEntry};

/// Clients look at what they have just written, as after pressing "save":
/// three reads follow each write. Who breaks read-your-writes is caught at
/// once.
#[derive(Clone, Copy, Debug)]
pub struct Sessions;

pub(super) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "sessions",
    summary: "each client writes a key, reads it back three times, and looks at others' between",
    keys: 10,
    skew: Skew(0.8),
    reads: 0.5,
    build: || Arc::new(Sessions),
};

const LOOKS: u32 = 3;

impl Workload for Sessions {
    fn client(&self) -> Box<dyn Generator> {
        Box::new(Session { written: None })
    }
}

struct Session {
    /// The key that was just written, and how often it will still be read.
    written: Option<(Key, u32)>,
}

impl Generator for Session {
    fn next(&mut self, draw: &mut Draw<'_>) -> Intent {
        if let Some((key, looks)) = self.written.take() {
            self.written = (looks > 1).then_some((key, looks - 1));
            return Intent::Read(key);
        }
        let key = draw.key();
        if draw.reads() {
            return Intent::Read(key);
        }
        self.written = Some((key, LOOKS));
        Intent::Write(key)
    }
}

#[cfg(test)]
mod tests {
    use quarrel_harness::strategy::KeyDraw;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

    use super::*;

    #[test]
    fn three_reads_of_the_key_follow_each_write() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let keys = KeyDraw::new(10, Skew(0.0));
        let mut client = Sessions.client();
        let mut intents = Vec::new();
        for _ in 0..1_000 {
            let mut draw = Draw { random: &mut random, keys: &keys, read_share: 0.5 };
            intents.push(client.next(&mut draw));
        }
        let mut writes = 0;
        for four in intents.windows(4) {
            if let Intent::Write(key) = four[0] {
                writes += 1;
                assert_eq!(four[1..], [Intent::Read(key); 3]);
            }
        }
        assert!(writes > 100, "{writes}");
    }
}
