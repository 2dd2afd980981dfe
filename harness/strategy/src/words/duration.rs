use std::time::Duration;

use jiff::SignedDuration;

/// A duration as people write it: `200ms`, `5s`, `1m 30s`. At most a year: sums
/// and multiples of it can be trusted not to overflow.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let signed: SignedDuration = text.parse().ok()?;
    let duration: Duration = signed.try_into().ok()?;
    (duration <= YEAR).then_some(duration)
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
