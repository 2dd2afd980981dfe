use std::{collections::BTreeMap, fmt, io, path::Path, time::Duration};

use quarrel_checkers::{Guarantee, Validity, millis};
use serde::{Deserialize, Serialize};

use crate::{
    judge::Expectation,
    report::{explain, terminal::printable},
    results::{RunOutcome, VerdictFile},
};

/// What a project has accepted of each strategy. The file `policy.toml`.
///
/// ```
/// let policy: quarrel_harness::report::ci::Policy = r#"
///     [strategy.cache-aside]
///     stale_max = "50ms"
///     stale_rate = 0.01
///     deny = ["never-heals", "lost-write"]
/// "#.parse().unwrap();
/// assert!(policy.strategy.contains_key("cache-aside"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// By the strategy's name.
    #[serde(default)]
    pub strategy: BTreeMap<String, Bounds>,
}

/// What is accepted of one strategy. What is not named is not accepted: a
/// strategy without bounds must have no stale read at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The largest staleness of a read, such as `50ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_max: Option<String>,
    /// The largest share of stale reads among those at risk, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_rate: Option<f64>,
    /// Names of anomalies and causes of which there must be none at all, and
    /// `never-heals` for stores that do not agree in the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
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
    /// Its form.
    #[error("the policy is of another form: {0}")]
    Form(#[from] Box<toml::de::Error>),
    /// A bound that is none.
    #[error("policy for {strategy}: {problem}")]
    Bound {
        /// The strategy.
        strategy: String,
        /// What is wrong.
        problem: String,
    },
}

/// Something that a run did and its policy does not accept.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    /// What was seen.
    pub seen: String,
    /// What was accepted.
    pub accepted: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; accepted: {}", self.seen, self.accepted)
    }
}

const NEVER_HEALS: &str = "never-heals";

impl std::str::FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let policy: Self = toml::from_str(text).map_err(Box::new)?;
        for (strategy, bounds) in &policy.strategy {
            let wrong = |problem| PolicyError::Bound { strategy: strategy.clone(), problem };
            bounds.check().map_err(wrong)?;
        }
        Ok(policy)
    }
}

impl Policy {
    /// Reads a policy; one that is not there accepts nothing.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or names what does not exist.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        match std::fs::read_to_string(path) {
            Ok(text) => text.parse(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(PolicyError::Io { path: path.display().to_string(), source }),
        }
    }

    /// The policy as a file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let body = toml::to_string_pretty(self).unwrap_or_default();
        format!("# What is accepted of each strategy; `quarrel review` keeps it.\n\n{body}")
    }

    /// What a run did beyond what is accepted of its strategy.
    #[must_use]
    pub fn breaches(&self, verdict: &VerdictFile) -> Vec<Breach> {
        let none = Bounds::default();
        let bounds = self.strategy.get(&verdict.strategy).unwrap_or(&none);
        let metrics = &verdict.metrics;
        let mut breaches = Vec::new();
        let most = bounds.longest();
        if metrics.worst_staleness > most {
            let seen = format!("a read was {} stale", millis(metrics.worst_staleness));
            breaches.push(Breach { seen, accepted: millis(most) });
        }
        let rate = rate(verdict);
        let accepted = bounds.stale_rate.unwrap_or(if most.is_zero() { 0.0 } else { 1.0 });
        if rate > accepted {
            let seen = format!("{:.3} % of the reads at risk were stale", rate * 100.0);
            breaches.push(Breach { seen, accepted: format!("{:.3} %", accepted * 100.0) });
        }
        for name in &bounds.deny {
            if let Some(seen) = denied(verdict, name) {
                breaches.push(Breach { seen, accepted: format!("no {name}") });
            }
        }
        // What has no bounds at all is not accepted either.
        if breaches.is_empty()
            && verdict.outcome == RunOutcome::Violated
            && !self.strategy.contains_key(&verdict.strategy)
        {
            let accepted = format!("nothing, as the policy does not name {}", verdict.strategy);
            breaches.push(Breach { seen: printable(&verdict.reason), accepted });
        }
        breaches
    }

    /// Accepts what a run did: its strategy's bounds become as wide as needed,
    /// and no wider. What was denied and happened is no longer denied.
    pub fn accept(&mut self, verdict: &VerdictFile) {
        let is_new = !self.strategy.contains_key(&verdict.strategy);
        let bounds = self.strategy.entry(verdict.strategy.clone()).or_default();
        let worst = verdict.metrics.worst_staleness;
        if worst > bounds.longest() {
            // A millisecond more than what was seen: it is printed whole.
            bounds.stale_max = Some(format!("{}ms", worst.as_millis() + 1));
        }
        let rate = rate(verdict);
        if bounds.stale_rate.is_some_and(|accepted| rate > accepted) || (is_new && rate > 0.0) {
            bounds.stale_rate = Some((rate * 1e4).ceil() / 1e4);
        }
        if is_new {
            bounds.deny = vec![NEVER_HEALS.to_owned(), "lost-write".to_owned()];
        }
        bounds.deny.retain(|name| denied(verdict, name).is_none());
    }
}

impl Bounds {
    fn longest(&self) -> Duration {
        self.stale_max.as_deref().and_then(parse_bound).unwrap_or(Duration::ZERO)
    }

    fn check(&self) -> Result<(), String> {
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
        for name in self.deny.iter().filter(|name| *name != NEVER_HEALS) {
            explain::find(name).map_err(|error| format!("deny: {error}"))?;
        }
        Ok(())
    }
}

/// A bound as `--expect bounded=…` takes it.
fn parse_bound(text: &str) -> Option<Duration> {
    format!("bounded={text}").parse::<Expectation>().ok()?.bound
}

fn rate(verdict: &VerdictFile) -> f64 {
    let metrics = &verdict.metrics;
    metrics.stale_reads as f64 / metrics.reads_at_risk.max(1) as f64
}

/// How a run did what `name` stands for, if it did.
fn denied(verdict: &VerdictFile, name: &str) -> Option<String> {
    if name == NEVER_HEALS {
        let eventual = verdict.ladder.iter().find(|rung| rung.guarantee == Guarantee::Eventual)?;
        return (eventual.validity == Validity::Invalid).then(|| eventual.reason.clone());
    }
    let is_it = |anomaly: &&quarrel_checkers::Anomaly| {
        anomaly.class.to_string() == name
            || anomaly.cause.is_some_and(|cause| cause.to_string() == name)
    };
    let found = verdict.anomalies.iter().find(is_it)?;
    Some(format!("{name}: {}", printable(&found.explanation)))
}
