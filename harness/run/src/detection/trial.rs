use serde::{Deserialize, Serialize};

use super::Conviction;
use crate::results::{FaultCount, RunOutcome};

/// What came of one storm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What the storm was drawn from.
    pub seed: u64,
    /// Its verdict.
    #[serde(flatten)]
    pub outcome: RunOutcome,
    /// Why.
    pub reason: String,
    /// When it could first be convicted; none if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conviction: Option<Conviction>,
    /// How many reads could have been stale.
    pub reads_at_risk: u64,
    /// How many faults were injected, and seen.
    pub faults: FaultCount,
    /// The run that was kept of it, because it was not as expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}
