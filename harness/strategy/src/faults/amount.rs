use std::{fmt, time::Duration};

use crate::words::parse_duration;

/// What a fault's amount counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds, written as durations: `200ms`.
    Time,
    /// Bytes: `512B`, `64kB`, `2MB` (of 1000).
    Bytes,
    /// Kilobytes a second: `20kB/s`.
    Rate,
}

/// Reads a size with its unit: `512B`, `64kB`, `400MB`, `4GB`, of 1000 each.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];
    let (number, factor) = units
        .into_iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)))?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// How much of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// Of what.
    pub unit: Unit,
    /// How many.
    pub count: u64,
}

impl Amount {
    /// A time.
    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self { unit: Unit::Time, count: millis * 1_000_000 }
    }

    /// Bytes.
    #[must_use]
    pub const fn bytes(count: u64) -> Self {
        Self { unit: Unit::Bytes, count }
    }

    /// Kilobytes a second.
    #[must_use]
    pub const fn kb_per_s(count: u64) -> Self {
        Self { unit: Unit::Rate, count }
    }

    /// The time that it is.
    #[must_use]
    pub const fn time(self) -> Duration {
        Duration::from_nanos(self.count)
    }

    /// Reads an amount of `unit`: more than none, and no more than
    /// [`Unit::most`], so that nothing overflows and no fault fills the memory.
    #[must_use]
    pub fn parse(unit: Unit, text: &str) -> Option<Self> {
        let count = match unit {
            Unit::Time => u64::try_from(parse_duration(text)?.as_nanos()).ok()?,
            Unit::Bytes => match text.parse() {
                Ok(bytes) => bytes,
                Err(_) => parse_bytes(text)?,
            },
            Unit::Rate => text.strip_suffix("kB/s")?.parse().ok()?,
        };
        (1..=unit.most().count).contains(&count).then_some(Self { unit, count })
    }
}

impl Unit {
    /// The largest amount.
    #[must_use]
    pub const fn most(self) -> Amount {
        match self {
            Self::Time => Amount::millis(3_600_000),
            Self::Bytes => Amount::bytes(100_000_000),
            Self::Rate => Amount::kb_per_s(1_000_000),
        }
    }

    /// What its amounts look like.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Time => {
                "a duration such as 200ms, or a range such as 20ms..200ms; more than 0, and at \
                 most 1h"
            }
            Self::Bytes => {
                "a size such as 512B or 64kB, or a range such as 1kB..64kB; more than 0, and at \
                 most 100MB"
            }
            Self::Rate => {
                "a rate such as 20kB/s, or a range such as 5kB/s..50kB/s; more than 0, and at most \
                 1000000kB/s"
            }
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.unit, self.count) {
            (Unit::Time, _) => write!(f, "{:?}", self.time()),
            (Unit::Bytes, count) if count > 0 && count.is_multiple_of(1_000_000) => {
                write!(f, "{}MB", count / 1_000_000)
            }
            (Unit::Bytes, count) if count > 0 && count.is_multiple_of(1_000) => {
                write!(f, "{}kB", count / 1_000)
            }
            (Unit::Bytes, count) => write!(f, "{count}B"),
            (Unit::Rate, count) => write!(f, "{count}kB/s"),
        }
    }
}
