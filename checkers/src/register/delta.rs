use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Clusters, NotUnique, Operation};

/// How much earlier every read would have to begin for a history to be
/// linearizable (Golab, Li & Shah, PODC 2011).
///
/// In JSON a number of nanoseconds, or null for infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "Option<u64>", from = "Option<u64>")]
pub enum Delta {
    /// So much; zero if it is linearizable.
    Finite(Duration),
    /// No shift helps: a value was read that was never written or not yet, or
    /// compare-and-sets contradict each other.
    Infinite,
}

impl Default for Delta {
    fn default() -> Self {
        Self::Finite(Duration::ZERO)
    }
}

impl From<Delta> for Option<u64> {
    fn from(delta: Delta) -> Self {
        match delta {
            Delta::Finite(time) => Some(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
            Delta::Infinite => None,
        }
    }
}

impl From<Option<u64>> for Delta {
    fn from(nanos: Option<u64>) -> Self {
        nanos.map_or(Self::Infinite, |n| Self::Finite(Duration::from_nanos(n)))
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finite(time) => write!(f, "{time:?}"),
            Self::Infinite => f.write_str("infinite"),
        }
    }
}

/// The smallest Δ for which `operations`, whose instants are nanoseconds,
/// would be linearizable if every read had been invoked Δ earlier. Writes and
/// compare-and-sets do not move.
///
/// # Errors
///
/// [`NotUnique`] as for [`check`](super::check).
///
/// ```
/// use std::time::Duration;
///
/// use quarrel_checkers::register::{Delta, Operation, ValueId, delta};
///
/// let stale = [
///     Operation::write(ValueId(1), 0, 10),
///     Operation::write(ValueId(2), 20, 30),
///     Operation::read(ValueId(1), 40, 50),
/// ];
/// // The read began 10 ns after the second write had ended.
/// assert_eq!(delta(&stale), Ok(Delta::Finite(Duration::from_nanos(10))));
/// ```
pub fn delta(operations: &[Operation]) -> Result<Delta, NotUnique> {
    let mut clusters = Clusters::build(operations)?;
    if clusters.violation(operations).is_none() {
        return Ok(Delta::Finite(Duration::ZERO));
    }
    Ok(smallest(|delta| clusters.violation_after(delta).is_none()))
}

/// The smallest number of nanoseconds at which `holds`, which is monotone.
fn smallest(holds: impl Fn(u64) -> bool) -> Delta {
    if !holds(u64::MAX) {
        return Delta::Infinite;
    }
    let (mut below, mut above) = (0, u64::MAX);
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if holds(middle) {
            above = middle;
        } else {
            below = middle;
        }
    }
    Delta::Finite(Duration::from_nanos(above))
}
