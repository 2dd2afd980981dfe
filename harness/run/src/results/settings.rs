use std::collections::BTreeMap;

use quarrel_checkers::Invalidation;
use serde::{Deserialize, Serialize};

use super::Case;

/// What a run was: enough to run it again. The file `run.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSettings {
    /// The version of this file's form.
    pub schema: u32,
    /// When it began, UTC: for people.
    pub began: String,
    /// The strategy's name.
    pub strategy: String,
    /// Where the strategy's source stands.
    pub source: String,
    /// The file of an application that was run in place of a strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Who the strategy says keeps the cache in step; none in runs from before
    /// it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalidation: Option<Invalidation>,
    /// The kind of cluster: `docker`, `native`, `external` or `sim`.
    pub cluster: String,
    /// The guarantee that it was held to.
    pub expect: String,
    /// Decides every draw.
    pub seed: u64,
    /// What clients did.
    #[serde(default = "register")]
    pub workload: String,
    /// How many clients.
    pub clients: u64,
    /// How many keys.
    pub keys: u64,
    /// The exponent of the distribution of keys.
    pub skew: f64,
    /// The share of reads.
    pub reads: f64,
    /// How operations arrive: `closed`, `paced` or `open`.
    pub arrivals: String,
    /// Operations a second, where there is a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How long the storm was meant to last, in milliseconds.
    pub time_ms: u64,
    /// The longest wait for the stores to agree, in milliseconds.
    pub settle_ms: u64,
    /// How long a client waits for a connection or an answer, in milliseconds.
    pub timeout_ms: u64,
    /// The faults, as on the command line.
    pub faults: Vec<String>,
    /// The strategy's options, defaults included.
    pub options: BTreeMap<String, String>,
    /// Those of the options that are not the defaults: they tell one case from
    /// another. None in runs from before they were told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<BTreeMap<String, String>>,
    /// Whether clients stood still between two steps now and then: `on` or
    /// `off`; `off` in runs from before they did.
    #[serde(default = "off")]
    pub pauses: String,
    /// The schedule of faults, line by line.
    pub schedule: String,
}

/// The workload of runs from before there was a choice.
fn register() -> String {
    "register".to_owned()
}

/// Runs from before there were pauses had none.
fn off() -> String {
    "off".to_owned()
}

impl RunSettings {
    /// What was run against what. Where nobody wrote down which options were
    /// given, all of them count: such a case is equal to no newer one.
    #[must_use]
    pub fn case(&self) -> Case {
        let options = self.given.as_ref().unwrap_or(&self.options).clone();
        Case::new(&self.strategy, options, &self.workload, &self.faults, &self.cluster)
    }

    /// Whether the stores were simulated.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.cluster == "sim"
    }
}
