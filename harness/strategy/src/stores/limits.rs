use std::time::Duration;

/// How long a client waits before it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// For a connection to stand.
    pub connect: Duration,
    /// For the answer to one call.
    pub call: Duration,
}

impl Default for TimeLimits {
    /// One second each: long beside a healthy call (under a millisecond),
    /// short beside a fault (seconds).
    fn default() -> Self {
        Self { connect: Duration::from_secs(1), call: Duration::from_secs(1) }
    }
}
