use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Clusters, NotUnique, RegisterOperation};

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
/// use quarrel_checkers::register::{Delta, RegisterOperation, ValueId, delta};
///
/// let stale = [
///     RegisterOperation::write(ValueId(1), 0, 10),
///     RegisterOperation::write(ValueId(2), 20, 30),
///     RegisterOperation::read(ValueId(1), 40, 50),
/// ];
/// // The read began 10 ns after the second write had ended.
/// assert_eq!(delta(&stale), Ok(Delta::Finite(Duration::from_nanos(10))));
/// ```
pub fn delta(operations: &[RegisterOperation]) -> Result<Delta, NotUnique> {
    let mut clusters = Clusters::build(operations)?;
    if clusters.violation(operations).is_none() {
        return Ok(Delta::default());
    }
    Ok(clusters.shift().into())
}

/// How far reads are shifted, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shift {
    Finite(u64),
    Infinite,
}

impl From<Shift> for Delta {
    fn from(shift: Shift) -> Self {
        match shift {
            Shift::Finite(nanos) => Self::Finite(Duration::from_nanos(nanos)),
            Shift::Infinite => Self::Infinite,
        }
    }
}

/// A cluster, or several that stand side by side, without names. Instants are
/// shifted by one, so that 0 is before everything.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Zone {
    pub(super) first_return: u64,
    /// The last invocation of a write.
    pub(super) write_invoked: u64,
    /// The last invocation of a read; 0 if there is none.
    pub(super) last_read: u64,
}

impl Zone {
    /// The last invocation, if reads had begun so much earlier.
    const fn last_invoke(&self, shift: u64) -> u64 {
        let read = self.last_read.saturating_sub(shift);
        if read > self.write_invoked { read } else { self.write_invoked }
    }

    /// The shift by which nothing here begins after `instant`.
    pub(super) const fn until_before(&self, instant: u64) -> Shift {
        if self.write_invoked > instant {
            Shift::Infinite
        } else {
            Shift::Finite(self.last_read.saturating_sub(instant))
        }
    }

    pub(super) fn merged(self, other: Self) -> Self {
        Self {
            first_return: self.first_return.min(other.first_return),
            write_invoked: self.write_invoked.max(other.write_invoked),
            last_read: self.last_read.max(other.last_read),
        }
    }
}

/// The zones of one register so far, in order of their first return, as far as
/// the next one needs them.
///
/// Under the present shift no two of them contradict each other, so the
/// forward ones are disjoint, and at most one reaches beyond the next one's
/// first return: the one of the latest last invocation. That is the one with
/// the latest write or the one with the latest read, whatever the shift. So one
/// pass finds the least shift: wherever two contradict each other, it is raised
/// to what the cheaper of their two arcs costs to remove.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Front {
    by_write: Zone,
    by_read: Zone,
}

impl Front {
    /// Takes the next zone and raises `shift` as far as it demands.
    pub(super) fn admit(&mut self, zone: Zone, shift: &mut Shift) {
        while let Shift::Finite(now) = *shift {
            let is_write = self.by_write.last_invoke(now) >= self.by_read.last_invoke(now);
            let widest = if is_write { &self.by_write } else { &self.by_read };
            let contradicts = widest.last_invoke(now) > zone.first_return
                && widest.first_return < zone.last_invoke(now);
            if !contradicts {
                break;
            }
            let cheaper =
                widest.until_before(zone.first_return).min(zone.until_before(widest.first_return));
            *shift = cheaper.max(*shift);
        }
        if zone.write_invoked > self.by_write.write_invoked {
            self.by_write = zone;
        }
        if zone.last_read > self.by_read.last_read {
            self.by_read = zone;
        }
    }
}
