use std::fmt;

/// Which of a key's values this is: the number that a primary gave it, and on
/// which of the primary's timelines that was.
///
/// A server that is promoted begins a new timeline, and counts on from what had
/// reached it: numbers that the old primary had given are then given again.
/// Versions are ordered by timeline first. That decides the place of a write
/// that a failover lost: (1, 6), acknowledged and lost, comes after (1, 5), so
/// that a read of (1, 5) misses it, and before (2, 6), the first write of the
/// new timeline, after which a read of it is stale.
///
/// ```
/// use quarrel_checkers::Version;
///
/// let lost = Version { timeline: 1, number: 7 };
/// assert!(Version { timeline: 1, number: 5 } < lost);
/// assert!(lost < Version { timeline: 2, number: 6 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Counted from 1, as Postgres does; 0 of what is [absent](Self::ABSENT).
    pub timeline: u32,
    /// Counted from 1 within the key; 0 of what is absent.
    pub number: u64,
}

impl Version {
    /// Of a key that has never been there.
    pub const ABSENT: Self = Self { timeline: 0, number: 0 };

    /// A number of a primary that never failed over; 0 is "absent".
    #[must_use]
    pub const fn first(number: u64) -> Self {
        if number == 0 { Self::ABSENT } else { Self { timeline: 1, number } }
    }
}

impl fmt::Display for Version {
    /// `version 6`, `version 6 of timeline 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}", self.number)?;
        if self.timeline > 1 { write!(f, " of timeline {}", self.timeline) } else { Ok(()) }
    }
}
