use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::faults::Fault;

/// What was run against what. What is accepted of one case says nothing about
/// another: a fault more, another option or workload is another case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Case {
    /// The strategy's or application's name.
    #[serde(rename = "strategy", alias = "app")]
    pub subject: String,
    /// Its options that are not the defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// What clients did.
    #[serde(default = "register", skip_serializing_if = "is_register")]
    pub workload: String,
    /// The faults, as on the command line, in order of name and in the fewest
    /// words: in which order they were given makes no difference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// The kind of cluster.
    pub cluster: String,
}

const REGISTER: &str = "register";

fn register() -> String {
    REGISTER.to_owned()
}

fn is_register(workload: &str) -> bool {
    workload == REGISTER
}

impl Case {
    /// A case of these parts.
    #[must_use]
    pub fn new(
        subject: &str,
        options: BTreeMap<String, String>,
        workload: &str,
        faults: &[String],
        cluster: &str,
    ) -> Self {
        let mut faults: Vec<String> = faults.iter().map(|fault| shortest(fault)).collect();
        faults.sort_unstable();
        faults.dedup();
        Self {
            subject: subject.to_owned(),
            options,
            workload: workload.to_owned(),
            faults,
            cluster: cluster.to_owned(),
        }
    }
}

/// A fault in the fewest words: of its usual amount the name says everything.
fn shortest(text: &str) -> String {
    let Ok(fault) = Fault::parse(text) else { return text.to_owned() };
    let fault = fault.to_string();
    let name = fault.split('=').next().unwrap_or_default();
    let is_usual = Fault::parse(name).is_ok_and(|usual| usual.to_string() == fault);
    if is_usual { name.to_owned() } else { fault }
}

/// `cache-aside --fill primary, pairs × replica-lag on docker`; the usual
/// workload is not told.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)?;
        for (name, value) in &self.options {
            write!(f, " --{name} {value}")?;
        }
        if !is_register(&self.workload) && !self.workload.is_empty() {
            write!(f, ", {}", self.workload)?;
        }
        let faults = match self.faults.as_slice() {
            [] => "no fault".to_owned(),
            faults => faults.join(" + "),
        };
        write!(f, " × {faults} on {}", self.cluster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_another_one_with_every_part() {
        let case = |options: &[(&str, &str)], workload, faults: &[&str]| {
            let text = |text: &&str| (*text).to_owned();
            let options = options.iter().map(|(name, value)| (text(name), text(value)));
            let faults: Vec<_> = faults.iter().map(text).collect();
            Case::new("cache-aside", options.collect(), workload, &faults, "sim")
        };
        let plain = case(&[], "register", &["redis-cut", "replica-lag"]);
        assert_eq!(plain, case(&[], "register", &["replica-lag", "redis-cut"]));
        assert_eq!(plain, case(&[], "register", &["replica-lag=200ms,via=apply", "redis-cut"]));
        assert_ne!(plain, case(&[], "register", &["replica-lag=300ms", "redis-cut"]));
        assert_eq!(plain.to_string(), "cache-aside × redis-cut + replica-lag on sim");
        let other = case(&[("fill", "primary")], "pairs", &[]);
        assert_eq!(other.to_string(), "cache-aside --fill primary, pairs × no fault on sim");
        assert_ne!(case(&[("fill", "primary")], "register", &[]), case(&[], "register", &[]));
        assert_ne!(case(&[], "pairs", &[]), case(&[], "register", &[]));
    }
}
