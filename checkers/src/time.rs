use std::{fmt, ops, time::Duration};

use serde::{Deserialize, Serialize};

/// Nanoseconds on one monotonic clock whose origin is the start of the run.
///
/// Wall-clock time is for display only and never enters a history.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// The origin: the start of the run.
    pub const ZERO: Self = Self(0);
    /// Later than any event: where an operation that never completed ends.
    pub const MAX: Self = Self(u64::MAX);

    /// `millis` milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for Time {
    /// Milliseconds with as many decimals as matter: `4ms`, `0.31ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 / 1_000;
        match (micros / 1_000, micros % 1_000) {
            (ms, 0) => write!(f, "{ms}ms"),
            (ms, _) if ms >= 100 => write!(f, "{ms}ms"),
            (ms, us) if ms >= 10 => write!(f, "{ms}.{}ms", us / 100),
            (ms, us) => write!(f, "{ms}.{:02}ms", us / 10),
        }
    }
}
