use std::{collections::BTreeMap, time::Duration};

use crate::words::parse_duration;

/// An option that a strategy or a workload takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its name, as on the command line without dashes.
    pub name: &'static str,
    /// What it is worth if not given.
    pub default: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
}

/// An option that is not known or makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Nobody takes it.
    #[error("{taker} takes no option `{name}`; it takes {known}")]
    Unknown {
        /// The strategy or workload.
        taker: String,
        /// The option given.
        name: String,
        /// What it does take.
        known: String,
    },
    /// Its value cannot be read.
    #[error("option {name}: `{value}` is not {expected}")]
    Invalid {
        /// The option.
        name: String,
        /// What was given.
        value: String,
        /// What would be right.
        expected: String,
    },
}

/// The options given to a strategy, over its defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// The defaults of `specs`, overridden by `given`.
    ///
    /// # Errors
    ///
    /// When an option is given that `specs` does not name.
    pub fn resolve(
        taker: &str,
        specs: &[OptionSpec],
        given: &BTreeMap<String, String>,
    ) -> Result<Self, OptionError> {
        if let Some(name) = given.keys().find(|name| specs.iter().all(|spec| spec.name != **name)) {
            let known: Vec<_> = specs.iter().map(|spec| format!("--{}", spec.name)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(OptionError::Unknown {
                taker: taker.to_owned(),
                name: name.clone(),
                known,
            });
        }
        let defaults = specs.iter().map(|spec| (spec.name.to_owned(), spec.default.to_owned()));
        let given = given.iter().map(|(name, value)| (name.clone(), value.clone()));
        Ok(Self(defaults.chain(given).collect()))
    }

    /// Those that are not worth what `specs` says they are if not given.
    #[must_use]
    pub fn besides(&self, specs: &[OptionSpec]) -> BTreeMap<String, String> {
        let is_default = |name: &str, value: &str| {
            specs.iter().any(|spec| spec.name == name && spec.default == value)
        };
        let given = self.0.iter().filter(|(name, value)| !is_default(name, value));
        given.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Every option with its value, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The text of an option.
    ///
    /// # Panics
    ///
    /// When the strategy's specs do not name it.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let found = self.0.get(name);
        found.unwrap_or_else(|| panic!("a strategy asks only for options it declares, not {name}"))
    }

    /// A duration such as `5s`, `200ms`, `1m 30s`.
    ///
    /// # Errors
    ///
    /// When the text is no duration.
    pub fn duration(&self, name: &str) -> Result<Duration, OptionError> {
        parse_duration(self.text(name))
            .ok_or_else(|| self.invalid(name, "a duration such as 200ms, 5s or 1m 30s"))
    }

    /// One of several words, by its position in `words`.
    ///
    /// # Errors
    ///
    /// When the text is none of them.
    pub fn choice(&self, name: &str, words: &[&str]) -> Result<usize, OptionError> {
        let text = self.text(name);
        let found = words.iter().position(|word| *word == text);
        found.ok_or_else(|| self.invalid(name, &format!("one of {}", words.join(", "))))
    }

    /// A whole number.
    ///
    /// # Errors
    ///
    /// When the text is none.
    pub fn number(&self, name: &str) -> Result<u64, OptionError> {
        self.text(name).parse().map_err(|_| self.invalid(name, "a whole number"))
    }

    fn invalid(&self, name: &str, expected: &str) -> OptionError {
        OptionError::Invalid {
            name: name.to_owned(),
            value: self.text(name).to_owned(),
            expected: expected.to_owned(),
        }
    }
}
