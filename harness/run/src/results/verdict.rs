use std::collections::BTreeMap;

use quarrel_checkers::{Anomaly, Guarantee, Metrics, RunOutcome, Rung};
use serde::{Deserialize, Serialize};

use super::Case;

/// The version of `verdict.json`'s form.
pub const SCHEMA: u32 = 1;

/// How many of the faults that were injected were seen to take hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCount {
    /// Injected.
    pub injected: usize,
    /// Seen.
    pub observed: usize,
}

/// Everything that a script needs to know of a run. The file `verdict.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictFile {
    /// The version of this file's form.
    pub schema: u32,
    /// The version of quarrel that judged.
    pub quarrel: String,
    /// The run.
    pub run: String,
    /// The strategy.
    pub strategy: String,
    /// The strategy's options that are not the defaults; none in verdicts from
    /// before they were told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<BTreeMap<String, String>>,
    /// What clients did; empty in verdicts from before it was told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workload: String,
    /// The cluster.
    pub cluster: String,
    /// Whether the stores were simulated.
    pub simulated: bool,
    /// Decides every draw.
    pub seed: u64,
    /// The faults, as on the command line.
    pub faults: Vec<String>,
    /// What came of it, with what was at stake if it held.
    #[serde(flatten)]
    pub outcome: RunOutcome,
    /// Why, in a sentence.
    pub reason: String,
    /// The guarantee that it was held to.
    pub expected: Guarantee,
    /// The strongest guarantee that held.
    pub strongest: Guarantee,
    /// Every guarantee, strongest first.
    pub ladder: Vec<Rung>,
    /// Faults injected and seen.
    pub fault_count: FaultCount,
    /// Whether the history's end is missing.
    pub truncated: bool,
    /// Why a run in which nothing goes wrong would show nothing, if that is so;
    /// it is no reason to accept one in which something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nothing_at_stake: Option<String>,
    /// How often what the workload itself asks for was broken, if it was; of the
    /// same class as the first of the anomalies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_anomalies: Option<u64>,
    /// Evidence, worst first.
    pub anomalies: Vec<Anomaly>,
    /// Numbers.
    pub metrics: Metrics,
}

impl VerdictFile {
    /// What was run against what; none in verdicts that do not tell all of it.
    #[must_use]
    pub fn case(&self) -> Option<Case> {
        let options = self.options.clone()?;
        Some(Case::new(&self.strategy, options, &self.workload, &self.faults, &self.cluster))
    }
}
