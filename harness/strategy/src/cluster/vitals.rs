//! What servers say of themselves: since when they live, and how much of what
//! they are asked fails.

use quarrel_checkers::Site;

/// What one server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Which store it is.
    pub site: Site,
    /// Which of its lives it leads.
    pub life: Life,
    /// What it did in this life, for everybody.
    pub work: Work,
}

/// A life of a server, from one start to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// By the server's clock, in microseconds.
    Since {
        /// When it started.
        start: i64,
        /// When it said so.
        now: i64,
    },
    /// A name that is drawn at each start.
    Named(String),
}

impl Life {
    /// Whether both were seen in one life of one server.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Since { start: one, .. }, Self::Since { start: other, .. }) => one == other,
            (Self::Named(one), Self::Named(other)) => one == other,
            _ => false,
        }
    }

    /// Whether `later` is another life, which began after this one was seen.
    ///
    /// That another server answers is not enough: a balancer before several of
    /// them may send each question to another.
    #[must_use]
    pub fn ended_before(&self, later: &Self) -> bool {
        match (self, later) {
            (Self::Since { now, .. }, Self::Since { start, .. }) => start > now,
            (Self::Named(one), Self::Named(other)) => one != other,
            _ => true,
        }
    }
}

/// How much a server was asked, and how much of it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Transactions, or commands.
    pub asked: u64,
    /// Those rolled back, or answered with an error.
    pub failed: u64,
}

impl Work {
    /// What came to it after `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            asked: self.asked.saturating_sub(earlier.asked),
            failed: self.failed.saturating_sub(earlier.failed),
        }
    }

    /// The share that failed.
    #[must_use]
    pub fn failing(self) -> f64 {
        if self.asked == 0 { 0.0 } else { self.failed as f64 / self.asked as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::{Life, Work};

    #[test]
    fn only_a_life_that_began_later_is_another() {
        let life = |start, now| Life::Since { start, now };
        assert!(!life(10, 20).ended_before(&life(10, 30)));
        assert!(life(10, 20).ended_before(&life(25, 30)));
        // Another server, which was there before.
        assert!(!life(10, 20).ended_before(&life(5, 30)));
        let named = |name: &str| Life::Named(name.to_owned());
        assert!(named("a").ended_before(&named("b")));
        assert!(!named("a").ended_before(&named("a")));
    }

    #[test]
    fn counters_that_began_anew_say_nothing() {
        let work = |asked, failed| Work { asked, failed };
        assert_eq!(work(5, 1).since(work(100, 50)), work(0, 0));
        assert_eq!(work(0, 0).failing(), 0.0);
        assert_eq!(work(10, 1).failing(), 0.1);
    }
}
