use proptest::{
    strategy::ValueTree,
    test_runner::{TestCaseError, TestError},
};

use super::runner::runner;

/// A subset of `count` things, in order, that `holds` is true of and that
/// proptest can shrink no further: first `groups` are left out, then ever
/// smaller chunks (delta debugging, Zeller and Hildebrandt 2002).
///
/// `holds` must be true of all of them.
pub(super) fn fewer(
    count: usize,
    groups: Vec<Vec<usize>>,
    holds: impl Fn(&[usize]) -> bool,
) -> Vec<usize> {
    let tree = Subset::new(count, groups);
    let shrunk = runner(0, 1).run_one(tree, |kept| match holds(&kept) {
        true => Err(TestCaseError::fail("it still shows what it showed")),
        false => Ok(()),
    });
    match shrunk {
        Err(TestError::Fail(_, kept)) => kept,
        Ok(_) | Err(TestError::Abort(_)) => (0..count).collect(),
    }
}

/// Positions that are still there, and what is left out next.
#[derive(Debug)]
struct Subset {
    kept: Vec<bool>,
    groups: std::vec::IntoIter<Vec<usize>>,
    /// How many are left out at a time, and after how many of those that are
    /// still there.
    chunk: usize,
    at: usize,
    /// What was left out last.
    last: Vec<usize>,
    /// Where the last one came from.
    from: From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Groups,
    Chunks,
}

impl Subset {
    fn new(count: usize, groups: Vec<Vec<usize>>) -> Self {
        Self {
            kept: vec![true; count],
            groups: groups.into_iter(),
            chunk: count / 2,
            at: 0,
            last: Vec::new(),
            from: From::Groups,
        }
    }

    /// Leaves out what comes next; whether there is something.
    fn leave_out(&mut self) -> bool {
        for group in self.groups.by_ref() {
            let there: Vec<usize> = group.into_iter().filter(|at| self.kept[*at]).collect();
            if !there.is_empty() {
                self.drop_all(there);
                return true;
            }
        }
        self.from = From::Chunks;
        let there: Vec<usize> = self.current();
        while self.chunk > 0 && self.at >= there.len() {
            (self.chunk, self.at) = (self.chunk / 2, 0);
        }
        if self.chunk == 0 {
            return false;
        }
        let end = (self.at + self.chunk).min(there.len());
        self.drop_all(there[self.at..end].to_vec());
        true
    }

    fn drop_all(&mut self, positions: Vec<usize>) {
        for at in &positions {
            self.kept[*at] = false;
        }
        self.last = positions;
    }
}

impl ValueTree for Subset {
    type Value = Vec<usize>;

    fn current(&self) -> Vec<usize> {
        (0..self.kept.len()).filter(|at| self.kept[*at]).collect()
    }

    fn simplify(&mut self) -> bool {
        self.leave_out()
    }

    /// Puts back what was left out last, and leaves out something else.
    fn complicate(&mut self) -> bool {
        for at in std::mem::take(&mut self.last) {
            self.kept[at] = true;
        }
        if self.from == From::Chunks {
            self.at += self.chunk;
        }
        self.leave_out()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fewer;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn nothing_but_what_is_needed_is_left(
            needed in proptest::collection::btree_set(0..40_usize, 0..6),
            groups in proptest::collection::vec(proptest::collection::vec(0..40_usize, 0..9), 0..4),
        ) {
            let kept = fewer(40, groups, |kept| needed.iter().all(|at| kept.contains(at)));
            prop_assert_eq!(kept, needed.into_iter().collect::<Vec<_>>());
        }
    }
}
