//! What compare-and-sets say of a few values: which was put behind which, all
//! that lies between them left out.

use crate::register::{RegisterAction, ValueId};

const NOBODY: u32 = u32::MAX;

/// The values of a key as trees: behind each stand those that compare-and-sets
/// put in its place. In a legal history a tree is a path.
#[derive(Debug)]
pub(super) struct Chains {
    /// By value: whether anybody wrote it.
    is_written: Vec<bool>,
    /// By value: what was replaced by it.
    before: Vec<u32>,
    /// By value: some value further up, so that a climb to any takes a number of
    /// steps logarithmic in its length (Myers, IPL 1983).
    jump: Vec<u32>,
    /// How many values stand in front of it. None for what is on a circle or
    /// behind one.
    depth: Vec<u32>,
    /// When a walk from the roots comes to it, which is in front of all behind it.
    entered: Vec<u32>,
}

impl Chains {
    /// Of all that was `written`, each value once.
    pub(super) fn of(values: usize, written: impl Iterator<Item = RegisterAction>) -> Self {
        let mut before = vec![NOBODY; values];
        let mut is_written = vec![false; values];
        for action in written {
            let Some(new) = action.written() else { continue };
            is_written[new.position()] = true;
            if let Some(old) = action.seen() {
                before[new.position()] = old.0;
            }
        }
        let unknown = || vec![NOBODY; values];
        let mut chains =
            Self { is_written, before, jump: unknown(), depth: unknown(), entered: unknown() };
        chains.walk();
        chains
    }

    fn walk(&mut self) {
        // Those behind each value, one list after the other.
        let mut starts = vec![0_usize; self.before.len() + 1];
        let replaced = || self.before.iter().filter(|old| **old != NOBODY);
        replaced().for_each(|old| starts[*old as usize + 1] += 1);
        (0..self.before.len()).for_each(|at| starts[at + 1] += starts[at]);
        let mut next = starts.clone();
        let mut behind = vec![0_u32; replaced().count()];
        for (new, old) in (0..).zip(&self.before).filter(|(_, old)| **old != NOBODY) {
            behind[next[*old as usize]] = new;
            next[*old as usize] += 1;
        }
        let is_root = |(_, old): &(u32, &u32)| **old == NOBODY;
        let mut waiting: Vec<u32> =
            (0..).zip(&self.before).filter(is_root).map(|(root, _)| root).collect();
        let mut moment = 0;
        while let Some(value) = waiting.pop() {
            let at = value as usize;
            self.entered[at] = moment;
            moment += 1;
            (self.depth[at], self.jump[at]) = match self.before[at] {
                NOBODY => (0, value),
                old => (self.depth[old as usize] + 1, self.jump_behind(old)),
            };
            waiting.extend(&behind[starts[at]..starts[at + 1]]);
        }
    }

    /// Where what stands right behind a value jumps to.
    fn jump_behind(&self, old: u32) -> u32 {
        let far = self.jump[old as usize];
        let further = self.jump[far as usize];
        let depth = |value: u32| self.depth[value as usize];
        if depth(old) - depth(far) == depth(far) - depth(further) { further } else { old }
    }

    /// The last value in front of both, or one of them; none if they are of
    /// different trees.
    fn common(&self, one: u32, other: u32) -> Option<u32> {
        let depth = |value: u32| self.depth[value as usize];
        let (mut deep, mut flat) =
            if depth(one) > depth(other) { (one, other) } else { (other, one) };
        while depth(deep) > depth(flat) {
            let far = self.jump[deep as usize];
            deep = if depth(far) >= depth(flat) { far } else { self.before[deep as usize] };
        }
        while deep != flat {
            if depth(deep) == 0 {
                return None;
            }
            let far = (self.jump[deep as usize], self.jump[flat as usize]);
            (deep, flat) = if far.0 == far.1 {
                (self.before[deep as usize], self.before[flat as usize])
            } else {
                far
            };
        }
        Some(deep)
    }

    fn root(&self, mut value: u32) -> u32 {
        while self.depth[value as usize] > 0 {
            value = self.jump[value as usize];
        }
        value
    }

    /// The writes that put `values` where they are in relation to each other: as
    /// if nothing stood between those of a chain.
    pub(super) fn writes(&self, values: &[ValueId]) -> Vec<RegisterAction> {
        if values.iter().any(|value| self.depth[value.position()] == NOBODY) {
            return self.all_writes(values);
        }
        let entered = |value: &u32| self.entered[*value as usize];
        let mut named: Vec<u32> =
            values.iter().flat_map(|value| [value.0, self.root(value.0)]).collect();
        named.sort_unstable_by_key(entered);
        named.dedup();
        let forks: Vec<u32> =
            named.windows(2).filter_map(|pair| self.common(pair[0], pair[1])).collect();
        named.extend(forks);
        named.sort_unstable_by_key(entered);
        named.dedup();
        let mut above: Vec<u32> = Vec::new();
        let mut writes = Vec::with_capacity(named.len());
        for value in named {
            while above.last().is_some_and(|last| self.common(*last, value) != Some(*last)) {
                above.pop();
            }
            writes.extend(self.write(above.last().copied().unwrap_or(NOBODY), value));
            above.push(value);
        }
        writes
    }

    /// The write of a value behind another one.
    fn write(&self, old: u32, new: u32) -> Option<RegisterAction> {
        let (old, new) = (Some(old).filter(|old| *old != NOBODY), ValueId(new));
        let write = || match old {
            Some(old) => RegisterAction::Cas { old: ValueId(old), new },
            None => RegisterAction::Write(new),
        };
        self.is_written[new.position()].then(write)
    }

    /// The writes of `values` and of all in front of them, where that is a circle.
    fn all_writes(&self, values: &[ValueId]) -> Vec<RegisterAction> {
        let mut is_met = vec![false; self.before.len()];
        let mut waiting: Vec<u32> = values.iter().map(|value| value.0).collect();
        let mut writes = Vec::new();
        while let Some(value) = waiting.pop() {
            if !std::mem::replace(&mut is_met[value as usize], true) {
                let old = self.before[value as usize];
                writes.extend(self.write(old, value));
                waiting.extend(Some(old).filter(|old| *old != NOBODY));
            }
        }
        writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(written: &[(u32, u32)], values: &[u32]) -> Vec<(u32, u32)> {
        let actions = written.iter().map(|&(old, new)| match old {
            NOBODY => RegisterAction::Write(ValueId(new)),
            old => RegisterAction::Cas { old: ValueId(old), new: ValueId(new) },
        });
        let values: Vec<ValueId> = values.iter().copied().map(ValueId).collect();
        let told = Chains::of(1_100, actions).writes(&values);
        let mut told: Vec<_> = told
            .iter()
            .map(|action| (action.seen().map_or(NOBODY, |v| v.0), action.written().unwrap().0))
            .collect();
        told.sort_unstable();
        told
    }

    #[test]
    fn what_lies_between_is_left_out_and_forks_stay() {
        let chain: Vec<(u32, u32)> = (0..1_000).map(|n| (n, n + 1)).collect();
        assert_eq!(writes(&chain, &[900, 17]), [(0, 17), (17, 900)]);
        assert_eq!(writes(&chain, &[0]), []);
        let mut forked = chain;
        forked.extend([(500, 1_001), (1_001, 1_002), (NOBODY, 1_003), (1_003, 1_004)]);
        assert_eq!(writes(&forked, &[900, 1_002]), [(0, 500), (500, 900), (500, 1_002)]);
        assert_eq!(writes(&forked, &[1_004]), [(1_003, 1_004), (NOBODY, 1_003)]);
        // What nobody wrote is not written here either.
        assert_eq!(writes(&[(5, 6)], &[6]), [(5, 6)]);
    }

    #[test]
    fn a_circle_is_told_whole() {
        assert_eq!(
            writes(&[(1, 2), (2, 3), (3, 1), (3, 4)], &[4]),
            [(1, 2), (2, 3), (3, 1), (3, 4)]
        );
    }
}
