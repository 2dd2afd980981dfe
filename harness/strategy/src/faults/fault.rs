use std::{fmt, time::Duration};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::{Amount, FaultArguments, FaultEntry, InStorms, Sign, Strike, Unit, registry::known};
use crate::{cluster::Control, words::KnownNames};

/// Something that can go wrong, as on the command line:
/// `replica-lag=20ms..200ms,via=link`.
#[derive(Clone)]
pub struct Fault {
    entry: &'static FaultEntry,
    given: FaultArguments,
    in_storms: InStorms,
}

/// A fault that is not known, or makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Nobody knows it.
    #[error("no fault is called `{name}`; {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: KnownNames,
    },
    /// Searches place it, storms do not know it.
    #[error(
        "fault {0} is placed between two steps, which a storm cannot do: `quarrel explore` does"
    )]
    OnlyInSearches(String),
    /// Its arguments cannot be read.
    #[error("fault {name}: `{argument}` is not {expected}")]
    Argument {
        /// The fault.
        name: String,
        /// What was given.
        argument: String,
        /// What would be right.
        expected: String,
    },
}

impl Fault {
    /// A fault from its text.
    ///
    /// # Errors
    ///
    /// When there is no such fault, or its arguments cannot be read.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        let (name, arguments) = text.split_once('=').unwrap_or((text, ""));
        let all = known();
        let Some(entry) = all.iter().find(|entry| entry.name == name) else {
            let in_storms = all.iter().filter(|entry| entry.is_in_storms());
            let known = KnownNames::of(name, in_storms.map(|entry| entry.name));
            return Err(FaultError::Unknown { name: name.to_owned(), known });
        };
        Self::with(entry, arguments)
    }

    /// A fault of this kind with its usual arguments.
    ///
    /// # Errors
    ///
    /// When storms do not know it.
    pub fn of(entry: &'static FaultEntry) -> Result<Self, FaultError> {
        Self::with(entry, "")
    }

    /// A fault of this kind with arguments as after the `=` on the command line.
    ///
    /// # Errors
    ///
    /// When storms do not know it, or its arguments cannot be read.
    pub fn with(entry: &'static FaultEntry, arguments: &str) -> Result<Self, FaultError> {
        let name = entry.name;
        let Some(in_storms) = entry.in_storms else {
            return Err(FaultError::OnlyInSearches(name.to_owned()));
        };
        let mut given = FaultArguments {
            amount: entry.amount.map(|amount| (amount, amount)),
            jitter: Duration::ZERO,
            via: entry.ways.first().unwrap_or(&""),
        };
        for argument in arguments.split(',').filter(|argument| !argument.is_empty()) {
            let wrong = |expected: String| FaultError::Argument {
                name: name.to_owned(),
                argument: argument.to_owned(),
                expected,
            };
            if let Some(way) = argument.strip_prefix("via=") {
                let known = entry.ways.iter().find(|known| **known == way);
                given.via = known.ok_or_else(|| {
                    wrong(format!("one of its ways: via={}", entry.ways.join(", via=")))
                })?;
            } else if let Some(jitter) = argument.strip_prefix("jitter=") {
                if !entry.jitters {
                    return Err(wrong("needed: only latency jitters".to_owned()));
                }
                let found = Amount::parse(Unit::Time, jitter);
                let found = found.ok_or_else(|| {
                    wrong("a jitter such as jitter=20ms; more than 0, and at most 1h".to_owned())
                })?;
                given.jitter = found.time();
            } else if let Some(usual) = entry.amount {
                let found = amount(usual.unit, argument);
                given.amount = Some(found.ok_or_else(|| wrong(usual.unit.example().to_owned()))?);
            } else {
                return Err(wrong("needed: it takes no amount".to_owned()));
            }
        }
        Ok(Self { entry, given, in_storms })
    }

    /// Its name, without arguments.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.entry.name
    }

    /// The same fault with one amount of its range.
    #[must_use]
    pub fn draw(&self, random: &mut ChaCha8Rng) -> Self {
        let amount = self.given.amount.map(|(least, most)| {
            // Times are drawn in whole milliseconds, so that they print short.
            let grain = if least.unit == Unit::Time { 1_000_000 } else { 1 };
            let steps = (most.count - least.count) / grain;
            let count = least.count + grain * random.random_range(0..=steps);
            let drawn = Amount { unit: least.unit, count };
            (drawn, drawn)
        });
        Self { given: FaultArguments { amount, ..self.given }, ..self.clone() }
    }

    /// What brings it about.
    #[must_use]
    pub fn inject(&self) -> Vec<Control> {
        match self.in_storms {
            InStorms::Cluster { inject, .. } => inject(&self.given),
            InStorms::Clients(_) => Vec::new(),
        }
    }

    /// What takes it away.
    #[must_use]
    pub fn heal(&self) -> Vec<Control> {
        match self.in_storms {
            InStorms::Cluster { heal, .. } => heal(&self.given),
            InStorms::Clients(_) => Vec::new(),
        }
    }

    /// What it does to clients, if it strikes them and not the cluster.
    #[must_use]
    pub fn strike(&self) -> Option<Strike> {
        match self.in_storms {
            InStorms::Cluster { .. } => None,
            InStorms::Clients(strike) => Some(strike(&self.given)),
        }
    }

    /// How one sees that it took hold.
    #[must_use]
    pub fn sign(&self) -> Sign {
        match self.in_storms {
            InStorms::Cluster { sign, .. } => sign(&self.given),
            InStorms::Clients(strike) => Sign::Struck(strike(&self.given)),
        }
    }

    /// What kind it is of.
    #[must_use]
    pub const fn entry(&self) -> &'static FaultEntry {
        self.entry
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.name)?;
        let mut separator = "=";
        if let Some((least, most)) = self.given.amount {
            write!(f, "{separator}{least}")?;
            if least != most {
                write!(f, "..{most}")?;
            }
            separator = ",";
        }
        if !self.given.jitter.is_zero() {
            write!(f, "{separator}jitter={:?}", self.given.jitter)?;
            separator = ",";
        }
        if self.entry.ways.len() > 1 {
            write!(f, "{separator}via={}", self.given.via)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({self})")
    }
}

impl PartialEq for Fault {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

fn amount(unit: Unit, text: &str) -> Option<(Amount, Amount)> {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    let (least, most) = (Amount::parse(unit, least)?, Amount::parse(unit, most)?);
    (least.count <= most.count).then_some((least, most))
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn what_is_printed_is_what_is_parsed() {
        for text in [
            "replica-lag=20ms..200ms,via=link",
            "redis-cut",
            "redis-latency=150ms",
            "primary-latency=20ms..150ms,jitter=10ms",
            "replica-bandwidth=5kB/s..50kB/s",
            "redis-limit=1500B",
            "replica-behind=16kB..2MB",
            "client-pause=300ms",
            "manual-sql=50ms",
        ] {
            assert_eq!(Fault::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_fault_works_without_arguments() {
        for entry in super::known().into_iter().filter(|entry| entry.is_in_storms()) {
            let fault = Fault::parse(entry.name).unwrap();
            assert_eq!(fault.strike().is_some(), fault.inject().is_empty(), "{fault}");
            assert!(!entry.summary.is_empty());
        }
    }

    #[test]
    fn no_two_faults_have_one_name() {
        let all = super::known();
        let names: std::collections::BTreeSet<_> = all.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn errors_say_what_was_expected() {
        let complain = |text: &str| Fault::parse(text).unwrap_err().to_string();
        assert!(complain("replica-leg").contains("known are replica-lag"));
        assert_eq!(
            complain("replica-lag=fast"),
            "fault replica-lag: `fast` is not a duration such as 200ms, or a range such as 20ms..200ms; more than 0, and at most 1h"
        );
        assert!(complain("replica-lag=via=post").contains("via=apply"));
        assert!(complain("redis-cut=5s").contains("takes no amount"));
        assert!(complain("redis-limit=5s").contains("is not a size such as 512B"));
        assert!(complain("redis-bandwidth=5").contains("is not a rate such as 20kB/s"));
        for (text, expected) in [
            ("redis-limit=1000000MB", "at most 100MB"),
            ("redis-limit=18446744073709551615MB", "at most 100MB"),
            ("redis-evict=101MB", "at most 100MB"),
            ("redis-limit=0B", "more than 0"),
            ("redis-bandwidth=18446744073709551615kB/s", "at most 1000000kB/s"),
            ("redis-bandwidth=0kB/s", "more than 0"),
            ("manual-sql=0ms", "more than 0"),
            ("client-pause=2h", "at most 1h"),
            ("redis-latency=1ms,jitter=2h", "at most 1h"),
        ] {
            assert!(complain(text).contains(expected), "{}", complain(text));
        }
        assert!(
            Fault::parse("redis-limit=100MB").is_ok() && Fault::parse("replica-lag=1h").is_ok()
        );
        assert!(complain("redis-limit=2kB..1kB").contains("a range such as"));
        assert!(complain("redis-cut=jitter=5ms").contains("only latency jitters"));
    }
}
