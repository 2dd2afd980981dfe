//! What a project has accepted of its cases: the file `policy.toml`.

mod breach;
mod edit;

use std::{io, path::Path, time::Duration};

use quarrel_checkers::Class;
use serde::{
    Deserialize, Deserializer,
    de::{IntoDeserializer as _, value},
};
use toml_edit::DocumentMut;

use self::breach::NEVER_HEALS;
pub use self::breach::{Breach, BreachKind, Ruling};
use crate::report::explain::{self, TopicKind};
use quarrel_run::{
    faults::Fault,
    judge::Expectation,
    results::{Case, FormError, VerdictFile},
};

/// What a project has accepted of its cases. The file `policy.toml`; what
/// people wrote into it stays as they wrote it.
///
/// ```
/// let policy: quarrel_report::report::ci::Policy = r#"
///     [[case]]
///     strategy = "cache-aside"
///     faults = ["replica-lag"]
///     cluster = "native"
///     stale_max = "50ms"    # agreed with payments until spring
///     stale_rate = 0.01
/// "#.parse().unwrap();
/// assert_eq!(policy.cases().count(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Policy {
    document: DocumentMut,
    bounds: Vec<Bounds>,
}

/// What is accepted of one case. What is not named is not accepted: a case
/// without bounds must have no stale read at all, and whatever is worse than
/// staleness is denied unless it is allowed by its name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    #[serde(alias = "app")]
    strategy: String,
    #[serde(default)]
    options: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    workload: Option<String>,
    #[serde(default)]
    faults: Vec<String>,
    cluster: String,
    /// The largest staleness of a read, such as `50ms`.
    #[serde(default)]
    stale_max: Option<String>,
    /// The largest share of stale reads among those at risk, from 0 to 1.
    #[serde(default)]
    stale_rate: Option<f64>,
    /// Names of anomalies worse than staleness that may happen all the same.
    #[serde(default, deserialize_with = "names")]
    allow: Vec<String>,
    /// Names of anomalies and causes of which there must be none at all, be
    /// they within the bounds or not.
    #[serde(default, deserialize_with = "names")]
    deny: Vec<String>,
    /// Why, for people.
    #[serde(default)]
    #[serde(rename = "reason")]
    _reason: Option<String>,
}

/// Names, with those that classes had before as they are called now.
fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let of_today = |name: String| {
        let class: Result<Class, value::Error> =
            Class::deserialize(name.as_str().into_deserializer());
        class.map_or(name, |class| class.to_string())
    };
    Ok(names.into_iter().map(of_today).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<toml::Spanned<Bounds>>,
}

/// A policy that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file.
    #[error("{path}: {source}")]
    Io {
        /// Its path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Its form, or a bound that is none: where, and what would be right.
    #[error(transparent)]
    Form(#[from] FormError),
}

impl std::str::FromStr for Policy {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(Path::new("policy.toml"), text)
    }
}

/// What to do with a policy from before there were cases.
const OF_STRATEGIES: &str = "[strategy.NAME] accepted the same of a strategy under every fault, \
                             and is no longer read: write a [[case]] with strategy, faults and \
                             cluster for each, or let quarrel review ask anew";

impl Policy {
    /// Reads a policy; one that is not there accepts nothing.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or names what does not exist.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(path, &text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(PolicyError::Io { path: path.display().to_string(), source }),
        }
    }

    /// The share of stale reads that is accepted of a case, by the case's name.
    #[must_use]
    pub fn stale_rate(&self, case: &str) -> Option<f64> {
        self.bounds.iter().find(|bounds| bounds.case().to_string() == case)?.stale_rate
    }

    fn parse(path: &Path, text: &str) -> Result<Self, FormError> {
        let at = |offset: usize, problem: &str| FormError::in_text(path, text, offset, problem);
        let file: File = toml::from_str(text).map_err(|error| {
            match text.lines().position(|line| line.trim_start().starts_with("[strategy")) {
                Some(line) => FormError::at(path, line + 1, 1, OF_STRATEGIES),
                None => FormError::toml(path, text, &error),
            }
        })?;
        let mut bounds: Vec<Bounds> = Vec::new();
        for case in file.case {
            let offset = case.span().start;
            let case = case.into_inner();
            case.check().map_err(|problem| at(offset, &problem))?;
            if bounds.iter().any(|known| known.case() == case.case()) {
                return Err(at(offset, &format!("{} stands here twice", case.case())));
            }
            bounds.push(case);
        }
        let document = text.parse().map_err(|error: toml_edit::TomlError| {
            at(error.span().map_or(0, |span| span.start), error.message())
        })?;
        Ok(Self { document, bounds })
    }

    /// The cases of which something is accepted.
    pub fn cases(&self) -> impl Iterator<Item = Case> + use<'_> {
        self.bounds.iter().map(Bounds::case)
    }

    /// What is said of a run.
    ///
    /// What could not be decided, or showed nothing, is not accepted: nobody
    /// saw what there would be to accept.
    #[must_use]
    pub fn ruling(&self, case: &Case, verdict: &VerdictFile) -> Ruling {
        let bounds = self.bounds.iter().find(|bounds| bounds.case() == *case);
        Ruling::of(bounds, verdict)
    }
}

impl Bounds {
    fn case(&self) -> Case {
        let workload = self.workload.as_deref().unwrap_or("register");
        Case::new(&self.strategy, self.options.clone(), workload, &self.faults, &self.cluster)
    }

    fn longest(&self) -> Duration {
        self.stale_max.as_deref().and_then(parse_bound).unwrap_or(Duration::ZERO)
    }

    /// A largest staleness alone says nothing of how often.
    fn share(&self) -> f64 {
        self.stale_rate.unwrap_or(if self.longest().is_zero() { 0.0 } else { 1.0 })
    }

    fn check(&self) -> Result<(), String> {
        for fault in &self.faults {
            Fault::parse(fault).map_err(|error| format!("faults: {error}"))?;
        }
        if let Some(text) = &self.stale_max
            && parse_bound(text).is_none()
        {
            return Err(format!("stale_max = \"{text}\" is not a duration such as 50ms"));
        }
        if let Some(rate) = self.stale_rate
            && !(0.0..=1.0).contains(&rate)
        {
            return Err(format!("stale_rate = {rate} is not a share between 0 and 1"));
        }
        let lists = [("allow", &self.allow), ("deny", &self.deny)];
        for (list, name) in
            lists.iter().flat_map(|(list, names)| names.iter().map(move |n| (list, n)))
        {
            if name != NEVER_HEALS {
                let found = explain::find(name).map_err(|error| format!("{list}: {error}"))?;
                if found.iter().all(|entry| {
                    matches!(entry.kind, TopicKind::Guarantee | TopicKind::Level | TopicKind::Word)
                }) {
                    return Err(format!("{list}: `{name}` is neither an anomaly nor a cause"));
                }
            }
            if self.allow.contains(name) && self.deny.contains(name) {
                return Err(format!("{name} is allowed and denied"));
            }
        }
        if let Some(name) = self.allow.iter().find(|name| !breach::can_be_allowed(name)) {
            return Err(format!(
                "allow: `{name}` is nothing that is denied by itself: stale reads are bounded by \
                 stale_max and stale_rate, causes are denied by `deny` alone"
            ));
        }
        Ok(())
    }
}

/// A bound as `--expect bounded=…` takes it.
fn parse_bound(text: &str) -> Option<Duration> {
    format!("bounded={text}").parse::<Expectation>().ok()?.bound
}
