use std::fmt;

use quarrel_checkers::Time;
use serde::{Deserialize, Serialize};

/// What became of the world that a run ran in, though no fault of ours says so:
/// a server died, this process ran out of something, a disk is full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentFailure {
    /// When it was seen, on the run's clock.
    pub at: Time,
    /// What happened, in a sentence.
    pub what: String,
    /// What it costs.
    pub spoils: Spoils,
}

/// What an [`EnvironmentFailure`] leaves of a run's worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spoils {
    /// Nothing that clients saw may be held against anybody, or for.
    Evidence,
    /// What was written down is true, but not all there was: it can convict,
    /// but not acquit.
    Completeness,
}

impl fmt::Display for EnvironmentFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}
