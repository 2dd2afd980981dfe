use quarrel_checkers::Time;
use serde::{Deserialize, Serialize};

use super::RunFolder;

/// When the phases of a run began, on its clock: the load at zero, then these.
/// The file `phases.json`, written when the last of them is over: a run that
/// was killed has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Every key had its first value; clients and faults began.
    pub storm: Time,
    /// The last client had ended; what was still struck was healed.
    pub heal: Time,
    /// All was healed; the final reads began, by the strategy and beside it.
    #[serde(rename = "final")]
    pub last: Time,
}

impl Phases {
    /// The name of the file in a run's folder.
    pub const FILE: &str = "phases.json";

    /// Those of a run; none if it was killed, or is older than the file.
    #[must_use]
    pub fn of(run: &RunFolder) -> Option<Self> {
        serde_json::from_str(&run.text(Self::FILE).ok()?).ok()
    }
}
