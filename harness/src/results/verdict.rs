use std::{collections::BTreeMap, fmt};

use quarrel_checkers::{Anomaly, Guarantee, Metrics, Rung};
use serde::{Deserialize, Serialize};

use super::Case;

/// The version of `verdict.json`'s form.
pub const SCHEMA: u32 = 1;

/// What came of a run. Of several runs the greatest counts: a violation stands
/// whatever became of the others, and nothing held while one is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// The guarantee held, and the faults that should have shaken it were
    /// seen.
    Held,
    /// It held, but nothing was at stake: a fault was never observed, or too
    /// few reads were at risk.
    Vacuous,
    /// Could not be decided.
    Undecided,
    /// The world that it ran in broke: nothing that was seen counts.
    Environment,
    /// It did not hold.
    Violated,
}

impl RunOutcome {
    /// The exit code that says so.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Held => 0,
            Self::Violated => 1,
            Self::Undecided => 2,
            Self::Vacuous => 3,
            Self::Environment => 4,
        }
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Violated => "violated",
            Self::Undecided => "undecided",
            Self::Vacuous => "vacuous",
            Self::Environment => "environment",
        })
    }
}

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
    /// What came of it.
    pub outcome: RunOutcome,
    /// The exit code that says so.
    pub exit_code: u8,
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
