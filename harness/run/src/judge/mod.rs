//! From what a run left behind to its verdict: the checkers' word, the cause
//! of each anomaly, and whether anything was at stake.

mod cause;
mod near;
mod on_key;
mod outcome;
mod phases;
mod rules;
mod steps;
mod story;
#[cfg(test)]
mod tests;
mod versions;

pub use cause::{CauseEvidence, find_causes};
pub use outcome::{
    Expectation, ParseExpectationError, enough_reads, judge_nothing, judge_run,
    judge_run_and_reads, judge_with, stale_reads,
};
pub use steps::is_heard_whole;
pub use story::Provenance;
