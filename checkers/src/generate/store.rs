use std::collections::VecDeque;

use super::{Ran, Random, Store};

/// How many old values of a key are kept.
const KEPT: usize = 4096;

/// A value and since when.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    since: u64,
    value: u64,
    version: u64,
}

/// A store of known strength.
pub(super) struct Simulated {
    store: Store,
    /// By key, the newest last.
    held: Vec<VecDeque<Held>>,
    was_stale: bool,
}

impl Simulated {
    pub(super) fn new(store: Store, keys: u64) -> Self {
        let absent = VecDeque::from([Held::default()]);
        Self { store, held: vec![absent; keys as usize], was_stale: false }
    }

    /// Lets `ran` take effect; `number` operations have begun.
    pub(super) fn apply(&mut self, now: u64, number: u64, ran: &mut Ran, random: &mut Random) {
        let held = &mut self.held[ran.key as usize];
        let newest = *held.back().expect("every key holds something");
        if ran.is_write {
            ran.version = newest.version + 1;
            if let Store::Lossy { lost_permille } = self.store
                && random.permille(lost_permille)
            {
                return;
            }
            held.push_back(Held { since: now, value: ran.value, version: ran.version });
            if held.len() > KEPT {
                held.pop_front();
            }
            return;
        }
        let seen = match self.store {
            Store::Linearizable | Store::Lossy { .. } => newest,
            Store::Replica { lag_ns } => {
                let is_there = |held: &&Held| held.since + lag_ns <= now;
                held.iter().rev().find(is_there).copied().unwrap_or_else(|| held[0])
            }
            Store::OneStaleRead { from } => {
                // Old enough that its overwriting was acknowledged before.
                let long_ago = ran.invoked.saturating_sub(4 * super::LONGEST_NS);
                let overwritten = held.iter().zip(held.iter().skip(1)).rev();
                let mut stale = overwritten.filter(|(_, next)| next.since < long_ago);
                match stale.next().filter(|_| number >= from && !self.was_stale) {
                    Some((old, _)) => {
                        self.was_stale = true;
                        *old
                    }
                    None => newest,
                }
            }
        };
        (ran.value, ran.version) = (seen.value, seen.version);
    }
}
