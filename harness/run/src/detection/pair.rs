use quarrel_checkers::{Cause, Guarantee, Invalidation};
use serde::{Deserialize, Serialize};

/// What must come of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedVerdict {
    /// It is known to be broken.
    Convicted,
    /// It is a control.
    Acquitted,
}

/// A strategy under faults, of which it is known what must come.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// What it shows, in a few words; empty if nobody said.
    pub about: String,
    /// The arguments after `quarrel run`: `cache-aside --fault replica-lag`.
    pub run: String,
    /// What must come of it.
    pub expected: ExpectedVerdict,
    /// Only an anomaly of this cause convicts it; any does, if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// What must be broken for a conviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The guarantee.
    pub guarantee: Guarantee,
    /// How it must have come about; none if that does not matter.
    pub cause: Option<Cause>,
    /// Who keeps the cache in step, as the strategy says; none if that is to be
    /// told from the steps.
    pub by: Option<Invalidation>,
}

impl Pair {
    /// A pair that must be convicted.
    #[must_use]
    pub fn broken(about: impl Into<String>, run: impl Into<String>) -> Self {
        let expected = ExpectedVerdict::Convicted;
        Self { about: about.into(), run: run.into(), expected, cause: None }
    }

    /// The same, convicted only by anomalies that came about so.
    #[must_use]
    pub fn by(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// The same, and why that is known.
    #[must_use]
    pub fn because(mut self, why: &str) -> Self {
        self.about = format!("{}: {why}", self.about);
        self
    }

    /// A pair that must be acquitted.
    #[must_use]
    pub fn control(run: impl Into<String>) -> Self {
        Self {
            about: "control".to_owned(),
            run: run.into(),
            expected: ExpectedVerdict::Acquitted,
            cause: None,
        }
    }
}
