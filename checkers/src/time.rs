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
    /// Milliseconds with as many decimals as matter, rounded: `4ms`, `0.31ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.saturating_add(500) / 1_000;
        let hundredths = (micros + 5) / 10;
        let tenths = (micros + 50) / 100;
        if micros.is_multiple_of(1_000) {
            write!(f, "{}ms", micros / 1_000)
        } else if hundredths < 1_000 {
            write!(f, "{}.{:02}ms", hundredths / 100, hundredths % 100)
        } else if tenths < 1_000 {
            write!(f, "{}.{}ms", tenths / 10, tenths % 10)
        } else {
            write!(f, "{}ms", (micros + 500) / 1_000)
        }
    }
}

/// A length of time as sentences tell it, rounded: `20 µs`, `4.3 ms`,
/// `118 ms`, `12.5 s`. The same length reads the same wherever it is told.
#[must_use]
pub fn millis(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    if duration.is_zero() {
        "0 ms".to_owned()
    } else if ms < 0.095 {
        format!("{:.0} µs", (ms * 1e3).max(1.0))
    } else if ms < 9.95 {
        format!("{ms:.1} ms")
    } else if ms < 9_999.5 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_lengths_are_nanoseconds() {
        let time = Time::from_millis(3);
        assert_eq!((time, time.as_nanos()), (Time(3_000_000), 3_000_000));
        assert_eq!(time + Duration::from_micros(2), Time(3_002_000));
        assert_eq!(Time::MAX + Duration::from_nanos(1), Time::MAX);
        assert_eq!(time.since(Time(1)), Duration::from_nanos(2_999_999));
        assert_eq!(Time(1).since(time), Duration::ZERO);
    }

    #[test]
    fn times_are_rounded_as_lengths_are() {
        let told = |micros: u64| Time(micros * 1_000).to_string();
        let all = [0, 4_000, 310, 2_214, 2_215, 9_994, 9_996, 10_060, 99_949, 99_950, 484_600];
        assert_eq!(
            all.map(told).join(" "),
            "0ms 4ms 0.31ms 2.21ms 2.22ms 9.99ms 10.0ms 10.1ms 99.9ms 100ms 485ms"
        );
        assert_eq!(Time(3_999_999).to_string(), "4ms");
    }

    #[test]
    fn lengths_are_rounded_to_what_matters() {
        let told = |micros| millis(Duration::from_micros(micros));
        let all = [0, 20, 94, 95, 4_349, 9_949, 9_950, 118_499, 118_500, 9_999_499, 9_999_500];
        assert_eq!(
            all.map(told).join(", "),
            "0 ms, 20 µs, 94 µs, 0.1 ms, 4.3 ms, 9.9 ms, 10 ms, 118 ms, 118 ms, 9999 ms, 10.0 s"
        );
        assert_eq!(millis(Duration::from_nanos(3)), "1 µs");
    }
}
