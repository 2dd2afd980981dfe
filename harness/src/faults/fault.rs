use std::{fmt, time::Duration};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::{
    Sign,
    builtin::{BUILTIN, FaultEntry},
};
use crate::{cluster::Control, strategy::parse_duration};

/// The arguments of a fault.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// How long, how much; least and most.
    amount: (Duration, Duration),
    /// Which of the ways in which the fault can be brought about.
    via: &'static str,
}

/// Something that can go wrong, as on the command line:
/// `replica-lag=20ms..200ms,via=link`.
#[derive(Clone)]
pub struct Fault {
    entry: &'static FaultEntry,
    shape: Shape,
}

/// A fault that is not known, or makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Nobody knows it.
    #[error("no fault is called `{name}`; known are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
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
        let entry = BUILTIN.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let known: Vec<_> = BUILTIN.iter().map(|entry| entry.name).collect();
            FaultError::Unknown { name: name.to_owned(), known: known.join(", ") }
        })?;
        let mut shape =
            Shape { amount: (entry.amount, entry.amount), via: entry.ways.first().unwrap_or(&"") };
        for argument in arguments.split(',').filter(|argument| !argument.is_empty()) {
            let wrong = |expected: String| FaultError::Argument {
                name: name.to_owned(),
                argument: argument.to_owned(),
                expected,
            };
            if let Some(way) = argument.strip_prefix("via=") {
                let known = entry.ways.iter().find(|known| **known == way);
                shape.via = known.ok_or_else(|| {
                    wrong(format!("one of its ways: via={}", entry.ways.join(", via=")))
                })?;
            } else if entry.amount.is_zero() {
                return Err(wrong("needed: it takes no amount".to_owned()));
            } else {
                shape.amount = amount(argument).ok_or_else(|| {
                    wrong("a duration such as 200ms, or a range such as 20ms..200ms".to_owned())
                })?;
            }
        }
        Ok(Self { entry, shape })
    }

    /// Its name, without arguments.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.entry.name
    }

    /// The same fault with one amount of its range.
    #[must_use]
    pub fn draw(&self, random: &mut ChaCha8Rng) -> Self {
        let (least, most) = self.shape.amount;
        let span = u64::try_from((most - least).as_millis()).unwrap_or(u64::MAX);
        let drawn = least + Duration::from_millis(random.random_range(0..=span));
        Self { entry: self.entry, shape: Shape { amount: (drawn, drawn), via: self.shape.via } }
    }

    /// What brings it about.
    #[must_use]
    pub fn inject(&self) -> Vec<Control> {
        (self.entry.inject)(self.amount(), self.shape.via)
    }

    /// What takes it away.
    #[must_use]
    pub fn heal(&self) -> Vec<Control> {
        (self.entry.heal)(self.shape.via)
    }

    /// How one sees that it took hold.
    #[must_use]
    pub fn sign(&self) -> Sign {
        (self.entry.sign)(self.amount(), self.shape.via)
    }

    const fn amount(&self) -> Duration {
        self.shape.amount.1
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.name)?;
        let (least, most) = self.shape.amount;
        let mut separator = "=";
        if !self.entry.amount.is_zero() {
            write!(f, "{separator}{least:?}")?;
            if least != most {
                write!(f, "..{most:?}")?;
            }
            separator = ",";
        }
        if self.entry.ways.len() > 1 {
            write!(f, "{separator}via={}", self.shape.via)?;
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

fn amount(text: &str) -> Option<(Duration, Duration)> {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    let (least, most) = (parse_duration(least)?, parse_duration(most)?);
    (least <= most).then_some((least, most))
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn what_is_printed_is_what_is_parsed() {
        for text in ["replica-lag=20ms..200ms,via=link", "redis-cut", "redis-latency=150ms"] {
            assert_eq!(Fault::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_fault_works_without_arguments() {
        for entry in super::BUILTIN {
            let fault = Fault::parse(entry.name).unwrap();
            assert!(!fault.inject().is_empty() && !fault.heal().is_empty(), "{fault}");
        }
    }

    #[test]
    fn errors_say_what_was_expected() {
        let complain = |text: &str| Fault::parse(text).unwrap_err().to_string();
        assert!(complain("replica-leg").contains("known are replica-lag"));
        assert_eq!(
            complain("replica-lag=fast"),
            "fault replica-lag: `fast` is not a duration such as 200ms, or a range such as 20ms..200ms"
        );
        assert!(complain("replica-lag=via=post").contains("via=apply"));
        assert!(complain("redis-cut=5s").contains("takes no amount"));
    }
}
