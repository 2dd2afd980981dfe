use std::fmt;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Native,
    Docker,
    /// On servers that are somebody's.
    External,
    /// The same behind a pooler that gives a server to each session,
    Sessions,
    /// and behind one that gives it to each transaction.
    Transactions,
}

pub(super) const PLACES: [Place; 5] =
    [Place::Native, Place::Docker, Place::External, Place::Sessions, Place::Transactions];

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Native => "native",
            Self::Docker => "docker",
            Self::External => "external",
            Self::Sessions => "pooler, session",
            Self::Transactions => "pooler, transaction",
        })
    }
}

/// When something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// While the cluster starts. Somebody's servers are broken before the run
    /// comes to them.
    SetUp,
    /// While keys get their first values.
    Loading,
    Storm,
    /// While the last values are read.
    Settling,
}

pub(super) const MOMENTS: [Moment; 4] =
    [Moment::SetUp, Moment::Loading, Moment::Storm, Moment::Settling];

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SetUp => "set-up",
            Self::Loading => "first values",
            Self::Storm => "storm",
            Self::Settling => "settling",
        })
    }
}

/// A strategy that everything lets be, so that whatever is seen comes from the
/// world.
const STRATEGY: &str = "version-guard";

/// How a run is asked for that something happens to at this moment. It does not
/// ask much of the machine, on which many run at once.
pub(super) fn arguments(moment: Moment) -> Vec<&'static str> {
    let run = match moment {
        // Should it begin after all, it ends.
        Moment::SetUp => &["--time", "2s"][..],
        // So many keys are not written in a moment, and more would be in batches;
        // the same of the last reads.
        Moment::Loading => &["--time", "60s", "--keys", "1000"],
        Moment::Storm => &["--time", "60s"],
        Moment::Settling => &["--time", "1s", "--keys", "1000", "--settle", "60s"],
    };
    [&[STRATEGY, "--rate", "500"], run].concat()
}

/// The line with which it says that the moment has come.
pub(super) const fn word(moment: Moment) -> &'static str {
    match moment {
        Moment::SetUp => "cluster:",
        Moment::Loading => "load:",
        Moment::Storm => "storm:",
        Moment::Settling => "final:",
    }
}
