use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use quarrel_checkers::Time;

/// Where the time of a run comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's monotonic clock, counted from when the run began.
    Monotonic(Instant),
    /// The simulator's time.
    Virtual(VirtualClock),
}

impl Clock {
    /// A clock of real time whose origin is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn start() -> Self {
        Self::Monotonic(Instant::now())
    }

    /// The time since the origin.
    #[must_use]
    pub fn now(&self) -> Time {
        match self {
            Self::Monotonic(origin) => {
                Time(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
            }
            Self::Virtual(clock) => clock.now(),
        }
    }
}

/// Time that stands still until the simulator moves it.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Arc<AtomicU64>);

impl VirtualClock {
    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> Time {
        Time(self.0.load(Ordering::Relaxed))
    }

    /// Moves the clock forward to `time`.
    pub fn advance_to(&self, time: Time) {
        self.0.fetch_max(time.as_nanos(), Ordering::Relaxed);
    }
}
