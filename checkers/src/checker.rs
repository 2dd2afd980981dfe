use crate::{History, Verdict};

/// How much work a checker may do before it answers
/// [`Unknown`](crate::Validity::Unknown).
///
/// It is counted in the checker's own steps, never in time, so that the same
/// history gets the same verdict on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most search steps; polynomial checkers ignore it.
    pub steps: u64,
}

impl Default for Budget {
    /// Ten million steps: a few seconds of search.
    fn default() -> Self {
        Self { steps: 10_000_000 }
    }
}

/// Judges a history.
pub trait Checker {
    /// The verdict on `history`. A checker never panics on a history it does
    /// not understand: it answers unknown and says why.
    fn check(&self, history: &History, budget: Budget) -> Verdict;
}
